"""Sends the few requests that a receive loop makes all the time, without the SDK's client.

The SDK signs them and urllib3 sends them. Left out is the client between the two, which takes
about as much CPU time as all the rest. Names, arguments, responses and errors are those of the
SDK's SQS client.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import certifi
import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import ProxyConfiguration
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies
from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_sqs import SQSClient

USER_AGENT: Final = f"workers/{version('workers')}"
OK: Final = 200
# In every response from AWS, errors included.
REQUEST_ID: Final = "x-amzn-requestid"


class Repeats(urllib3.Retry):
    """Retries at once after a broken connection; never after a read timeout.

    A connection that was cut while idle (a NAT gateway does so after 350 s) fails only when it is
    used again, and by then the pool may be full of them. A request that timed out has taken long
    enough.
    """

    def increment(self, method: Any = None, url: Any = None, *rest: Any, **others: Any) -> Any:
        """Count a failure; see urllib3."""
        if isinstance(error := others.get("error"), urllib3.exceptions.ReadTimeoutError):
            raise error
        return super().increment(method, url, *rest, **others)


# Deletes and visibility changes may be repeated. So may a dead letter: if the connection broke
# after SQS accepted it, there are two copies with the ID of one message, and a redrive of both has
# one effect. Without the retry the message would be handled again for nothing. A receive is never
# repeated: the messages in a lost response stay hidden, and the retry would hide up to ten more.
REPEATS: Final = Repeats(
    total=2,
    allowed_methods=None,  # any: urllib3 itself repeats no POST
    backoff_factor=0.1,
    respect_retry_after_header=False,  # it may say an hour
)


class Sqs(Protocol):
    """The operations of SQS that a queue uses: an ``SqsWire``, or the SDK's client."""

    def receive_message(self, **parameters: Any) -> Any:
        """As the SDK's."""

    def delete_message_batch(self, **parameters: Any) -> Any:
        """As the SDK's."""

    def change_message_visibility_batch(self, **parameters: Any) -> Any:
        """As the SDK's."""

    def send_message(self, **parameters: Any) -> Any:
        """As the SDK's."""


@dataclass(frozen=True)
class SqsWire:
    """Speaks SQS's JSON protocol. Thread-safe."""

    session: "boto3.Session"
    region: str
    url: str
    pool: urllib3.PoolManager
    repeats: urllib3.Retry | bool

    @classmethod
    def like(
        cls,
        session: "boto3.Session",
        client: "SQSClient",
        *,
        connect_timeout: float,
        read_timeout: float,
        connections: int,
        repeat: bool,
    ) -> Self:
        """Use the endpoint and region of ``client``. Times in seconds. Opens no connection yet."""
        endpoint = client.meta.endpoint_url
        pool = pool_manager(
            endpoint,
            cert_reqs="CERT_REQUIRED",
            ca_certs=authorities(),
            maxsize=connections,
            socket_options=[
                *HTTPConnection.default_socket_options,
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            ],
            timeout=urllib3.Timeout(connect=connect_timeout, read=read_timeout),
        )
        return cls(
            session, client.meta.region_name, f"{endpoint}/", pool, REPEATS if repeat else False
        )

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
        request = self._signed(action, orjson.dumps(parameters))
        try:
            answer = self.pool.urlopen(
                "POST",
                self.url,
                body=request.data,
                headers=dict(request.headers.items()),
                redirect=False,  # never send a signed request anywhere else
                retries=self.repeats,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(error) from error
        fields = _parse(answer.data)
        if answer.status != OK:
            raise _refusal(action, answer, fields or {})
        if fields is None or REQUEST_ID not in answer.headers:
            raise ResponseParserError(f"{action}: the response is not from AWS: {self.url}")
        return fields

    def _signed(self, action: str, body: bytes) -> AWSRequest:
        credentials = self.session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        request = AWSRequest(
            "POST",
            self.url,
            data=body,
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "User-Agent": USER_AGENT,
                "X-Amz-Target": f"AmazonSQS.{action}",
            },
        )
        SigV4Auth(credentials.get_frozen_credentials(), "sqs", self.region).add_auth(request)
        return request

    def _broken(self, error: urllib3.exceptions.HTTPError) -> Exception:
        cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
        match cause:
            case urllib3.exceptions.ReadTimeoutError():
                return ReadTimeoutError(endpoint_url=self.url, error=cause)
            case urllib3.exceptions.SSLError():
                return SSLError(endpoint_url=self.url, error=cause)
            case urllib3.exceptions.ProtocolError():
                return ConnectionClosedError(endpoint_url=self.url, error=cause)
            case _:
                return EndpointConnectionError(endpoint_url=self.url, error=cause)


def authorities() -> str:
    """Return the file of certificate authorities, from the same variables as the SDK."""
    named = (os.environ.get(name) for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"))
    return next(filter(None, named), certifi.where())


def pool_manager(endpoint: str, **options: Any) -> urllib3.PoolManager:
    """Create a pool that uses the proxy from the environment, as the SDK does."""
    proxies = ProxyConfiguration(get_environ_proxies(endpoint))
    if proxy := proxies.proxy_url_for(endpoint):
        headers = proxies.proxy_headers_for(proxy)
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    return urllib3.PoolManager(**options)


def _parse(body: bytes) -> Any:
    """Parse a response body: a JSON object, or None if it is anything else."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _refusal(
    action: str, answer: urllib3.BaseHTTPResponse, fields: Mapping[str, Any]
) -> ClientError:
    """Build an error as the SDK does: the older protocol's code comes in a header."""
    older: Sequence[str] = answer.headers.get("x-amzn-query-error", "").split(";")
    code = older[0] or str(fields.get("__type", answer.status)).rpartition("#")[2]
    message = str(fields.get("message") or fields.get("Message") or "")
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": answer.status},  # type: ignore[typeddict-item]  # the rest is not known
        },
        action,
    )
