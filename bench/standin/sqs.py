"""Implements the actions of SQS in its JSON protocol.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""

import asyncio
from collections.abc import Callable
from time import time
from typing import Any

import orjson

from bench.standin.batches import BATCH, each_entry
from bench.standin.faults import Faults
from bench.standin.fifo import new_queue
from bench.standin.polls import Poll, Polls
from bench.standin.queue import InvalidHandle, NotInFlight, StaleHandle, Stored
from bench.standin.received import encode
from bench.standin.refusals import Refused

ACCOUNT = "000000000000"
Reply = Callable[[bytes], None]
Fields = dict[str, Any]
Action = Callable[[Fields], Fields]


class Sqs:
    """All queues."""

    def __init__(self, url: str, drained: Callable[[], None]) -> None:
        """Create no queues yet. ``drained`` is called when a delete leaves a queue empty."""
        self.queues: dict[str, Polls] = {}
        self.faults = Faults()
        self._attributes_set: dict[str, dict[str, str]] = {}  # by queue, as they were set
        self._url = url
        self._drained = drained
        self._actions: dict[str, Action] = {
            "ChangeMessageVisibility": self._hide,
            "ChangeMessageVisibilityBatch": self._each("ChangeMessageVisibilityBatch", self._hide),
            "CreateQueue": self._create,
            "DeleteMessage": self._delete,
            "DeleteQueue": self._drop,
            "DeleteMessageBatch": self._each("DeleteMessageBatch", self._delete),
            "GetQueueAttributes": self._attributes,
            "GetQueueUrl": self._url_by_name,
            "ListQueues": self._list,
            "SendMessage": self._send,
            "SendMessageBatch": self._each("SendMessageBatch", self._send),
            "SetQueueAttributes": self._set,
        }

    def queue(self, name: str) -> Polls:
        """Return a queue, created if needed."""
        if name not in self.queues:
            self.queues[name] = Polls(new_queue(name), asyncio.get_running_loop())
        return self.queues[name]

    def act(self, action: str, fields: Fields, reply: Reply) -> Poll | None:
        """Execute an action and answer it, later if a poll is returned. Raises ``Refused``."""
        if action == "ReceiveMessage":
            return self._receive(fields, reply)
        if action not in self._actions:
            raise Refused("UnsupportedOperation")
        reply(orjson.dumps(self._actions[action](fields)))
        return None

    def _receive(self, fields: Fields, reply: Reply) -> Poll | None:
        polls = self._polls(fields)
        wanted = {
            *(fields.get("AttributeNames") or ()),
            *(fields.get("MessageSystemAttributeNames") or ()),
        }

        named = tuple(fields.get("MessageAttributeNames") or ())

        def answer(messages: list[Stored]) -> None:
            encoded = b",".join(encode(message, wanted, named) for message in messages)
            reply(b'{"Messages":[' + encoded + b"]}" if messages else b"{}")

        return polls.receive(
            self.faults.shortened(min(int(fields.get("MaxNumberOfMessages") or 1), BATCH)),
            _number(fields, "VisibilityTimeout", polls.queue.visibility_timeout),
            _number(fields, "WaitTimeSeconds", polls.queue.wait),
            answer,
        )

    def _delete(self, fields: Fields) -> Fields:
        polls = self._polls(fields)
        queue = polls.queue
        try:
            queue.delete(fields["ReceiptHandle"], time())
        except InvalidHandle:
            raise Refused("ReceiptHandleIsInvalid") from None
        except StaleHandle:
            raise _stale("The receipt handle has expired") from None
        if queue.live == 0:
            self._drained()
        elif queue.visible:  # of a FIFO queue: the rest of the group
            polls.wake()
        return {}

    def _hide(self, fields: Fields) -> Fields:
        polls = self._polls(fields)
        try:
            polls.queue.hide(fields["ReceiptHandle"], float(fields["VisibilityTimeout"]), time())
        except InvalidHandle:
            raise Refused("ReceiptHandleIsInvalid") from None
        except StaleHandle:
            raise _stale(
                "Message does not exist or is not available for visibility timeout change"
            ) from None
        except NotInFlight:
            raise Refused("MessageNotInflight") from None
        polls.wake()
        return {}

    def _send(self, fields: Fields) -> Fields:
        polls = self._polls(fields)
        message = polls.queue.send(
            fields["MessageBody"], time(), fields.get("MessageAttributes") or {}
        )
        polls.wake()
        sent = orjson.loads(b"{" + message.encoded + b"}")
        return {"MessageId": sent["MessageId"], "MD5OfMessageBody": sent["MD5OfBody"]}

    def deliver(self, name: str, body: str, attributes: dict[str, dict[str, str]]) -> None:
        """Add a message from a topic to a queue, if it exists."""
        if polls := self.queues.get(name):
            polls.queue.send(body, time(), attributes)
            polls.wake()

    def _each(self, action: str, one: Action) -> Action:
        return lambda fields: each_entry(one, fields, fails=lambda: self.faults.fails_entry(action))

    def _create(self, fields: Fields) -> Fields:
        queue = self.queue(fields["QueueName"]).queue
        self._apply(queue.name, fields.get("Attributes") or {})
        return {"QueueUrl": self.url_of(queue.name)}

    def _url_by_name(self, fields: Fields) -> Fields:
        if fields["QueueName"] not in self.queues:
            raise Refused("QueueDoesNotExist")
        return {"QueueUrl": self.url_of(fields["QueueName"])}

    def _list(self, fields: Fields) -> Fields:
        prefix = fields.get("QueueNamePrefix") or ""
        return {"QueueUrls": [self.url_of(name) for name in self.queues if name.startswith(prefix)]}

    def _attributes(self, fields: Fields) -> Fields:
        queue = self._polls(fields).queue
        attributes = self._attributes_set.get(queue.name, {}) | {
            "QueueArn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{queue.name}",
            "VisibilityTimeout": f"{queue.visibility_timeout:.0f}",
            "ReceiveMessageWaitTimeSeconds": f"{queue.wait:.0f}",
            "ApproximateNumberOfMessages": f"{queue.visible}",
            "ApproximateNumberOfMessagesNotVisible": f"{queue.in_flight}",
            "ApproximateNumberOfMessagesDelayed": "0",
        }
        return {"Attributes": attributes}

    def _set(self, fields: Fields) -> Fields:
        self._apply(self._polls(fields).queue.name, fields["Attributes"])
        return {}

    def _apply(self, name: str, attributes: dict[str, str]) -> None:
        self._attributes_set.setdefault(name, {}).update(attributes)
        queue = self.queues[name].queue
        queue.visibility_timeout = _number(
            attributes, "VisibilityTimeout", queue.visibility_timeout
        )
        queue.wait = _number(attributes, "ReceiveMessageWaitTimeSeconds", queue.wait)

    def _drop(self, fields: Fields) -> Fields:
        del self.queues[self._polls(fields).queue.name]
        return {}

    def url_of(self, name: str) -> str:
        """Return the URL of a queue."""
        return f"{self._url}/{ACCOUNT}/{name}"

    def _polls(self, fields: Fields) -> Polls:
        try:
            return self.queues[fields["QueueUrl"].rpartition("/")[2]]
        except KeyError:
            raise Refused("QueueDoesNotExist") from None


def _stale(reason: str) -> Refused:
    """Return how SQS refuses the handle of an earlier receive, or of a deleted message.

    https://repost.aws/knowledge-center/sqs-receipt-handle-error
    """
    return Refused(
        "InvalidParameterValue",
        f"Value for parameter ReceiptHandle is invalid. Reason: {reason}.",
    )


def _number(fields: Fields, name: str, default: float) -> float:
    value = fields.get(name)
    return default if value is None else float(value)
