"""Sends the few requests that a receive loop makes all the time, without the SDK's client.

That client takes nine tenths of the CPU time of a request. Names, arguments, responses and errors
are those of the SDK's SQS client.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import orjson
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

from workers.aws.answers import OK, REQUEST_ID
from workers.aws.connections import Connections
from workers.aws.endpoints import origin_of
from workers.aws.exchanges import Answer
from workers.aws.proxies import Proxy
from workers.aws.signer import Scope, signed
from workers.version import USER_AGENT

if TYPE_CHECKING:
    import boto3

# Deletes and visibility changes are repeated after a broken connection: one that was cut while idle
# (a NAT gateway does so after 350 s) fails only when it is used again. So may a dead letter: if the
# connection broke after SQS accepted it, there are two copies with the ID of one message, and a
# redrive of both has one effect. Without the retry the message would be handled again for nothing.
# Nothing is repeated after a read timeout: it has taken long enough. A receive is never repeated:
# the messages in a lost response stay hidden, and the retry would hide up to ten more.
PAUSES: Final = (0.0, 0.2)  # s before each retry


@dataclass(frozen=True)
class SqsWire:
    """Speaks SQS's JSON protocol. Thread-safe."""

    session: "boto3.Session"
    scope: Scope
    connections: Connections
    pauses: Sequence[float]
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def like(cls, session: "boto3.Session", client: Any) -> Self:
        """Use endpoint, region, timeouts and number of connections of an SDK client.

        Broken connections are retried if the client has more than one attempt. Opens no
        connection yet.

        Raises ``SettingsError`` for an endpoint with a path, and for a proxy it cannot use.
        """
        config, endpoint = client.meta.config, origin_of(client.meta.endpoint_url, "sqs")
        connections = Connections(
            endpoint,
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
            keep=config.max_pool_connections,
            proxy=Proxy.to(endpoint),
        )
        scope = Scope(endpoint, client.meta.region_name, "sqs")
        repeats = (config.retries or {}).get("total_max_attempts", 1) > 1
        return cls(session, scope, connections, PAUSES if repeats else ())

    def receive_message(self, **parameters: Any) -> Any:
        """Call ReceiveMessage."""
        return self._call("ReceiveMessage", parameters)

    def delete_message_batch(self, **parameters: Any) -> Any:
        """Call DeleteMessageBatch."""
        return self._call("DeleteMessageBatch", parameters)

    def change_message_visibility_batch(self, **parameters: Any) -> Any:
        """Call ChangeMessageVisibilityBatch."""
        return self._call("ChangeMessageVisibilityBatch", parameters)

    def send_message(self, **parameters: Any) -> Any:
        """Call SendMessage."""
        return self._call("SendMessage", parameters)

    def _call(self, action: str, parameters: Mapping[str, Any]) -> Any:
        """Send one request. Raises ``ClientError`` and the SDK's connection errors."""
        answer = self._post(action, orjson.dumps(parameters))
        fields = _parse(answer.content)
        if answer.status_code != OK:
            raise _refusal(action, answer, fields or {})
        if fields is None or REQUEST_ID not in answer.headers:
            raise ResponseParserError(
                f"{action}: the response is not from AWS: {self.scope.endpoint}"
            )
        return fields

    def _post(self, action: str, body: bytes) -> Answer:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "User-Agent": USER_AGENT,
            "X-Amz-Target": f"AmazonSQS.{action}",
        }
        headers = signed(self.session, self.scope, headers, body)
        for pause in self.pauses:
            try:
                return self.connections.post(headers, body)
            except (NoConnection, ConnectionClosedError):
                self.sleep(pause)
        return self.connections.post(headers, body)


def _parse(body: bytes) -> Any:
    """Parse a response body: a JSON object, or None if it is anything else."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _refusal(action: str, answer: Answer, fields: Mapping[str, Any]) -> ClientError:
    """Build an error as the SDK does: the older protocol's code comes in a header."""
    older: Sequence[str] = answer.headers.get("x-amzn-query-error", "").split(";")
    code = older[0] or str(fields.get("__type", answer.status_code)).rpartition("#")[2]
    message = str(fields.get("message") or fields.get("Message") or "")
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": answer.status_code},  # type: ignore[typeddict-item]  # the rest is not known
        },
        action,
    )
