"""Answers the query protocol: publishing to SNS, and calls that some clients make at start.

https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
"""

from collections.abc import Iterator
from urllib.parse import parse_qsl

from bench.standin.queue import message_id
from bench.standin.sqs import ACCOUNT, Refused

_ARN = f"arn:aws:sns:eu-west-1:{ACCOUNT}"
_AT_START = {
    "CreateTopic": f"<TopicArn>{_ARN}:orders</TopicArn>",
    "GetCallerIdentity": f"<Account>{ACCOUNT}</Account><Arn>{_ARN}:root</Arn><UserId>x</UserId>",
    "ListTopics": "<Topics/>",
    "Subscribe": f"<SubscriptionArn>{_ARN}:orders:1</SubscriptionArn>",
}


class Sns:
    """A topic without subscribers that counts messages."""

    def __init__(self) -> None:
        self.published = 0

    def act(self, form: dict[str, str]) -> bytes:
        """Answer one request. Raises ``Refused``."""
        action = form["Action"]
        match action:
            case "Publish":
                result = f"<MessageId>{self._publish()}</MessageId>"
            case "PublishBatch":
                members = "".join(
                    f"<member><Id>{entry}</Id><MessageId>{self._publish()}</MessageId></member>"
                    for entry in _entries(form)
                )
                result = f"<Successful>{members}</Successful><Failed/>"
            case _ if action in _AT_START:
                result = _AT_START[action]
            case _:
                raise Refused("InvalidAction")
        return (
            f"<{action}Response><{action}Result>{result}</{action}Result>"
            f"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        ).encode()

    def _publish(self) -> str:
        self.published += 1
        return message_id(self.published)


def form_of(body: bytes) -> dict[str, str]:
    """Parse the body of a request."""
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def _entries(form: dict[str, str]) -> Iterator[str]:
    position = 1
    while (entry := form.get(f"PublishBatchRequestEntries.member.{position}.Id")) is not None:
        yield entry
        position += 1
