"""The few requests that a receive loop makes all the time, without the SDK's client around them.

Signing is the SDK's, connections are urllib3's; what is left out is what a client does between
the two for every request, which takes about as long again as all the rest. Names, arguments,
answers and errors are those of the SDK's SQS client.
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
# Every answer of AWS has one, an error too.
REQUEST_ID: Final = "x-amzn-requestid"


class Repeats(urllib3.Retry):
    """Tries again, at once, where a connection broke off; never after silence.

    A connection that was cut while it was idle (a NAT gateway does so after 350 s) shows only
    when it is used again, and a pool is full of them then. What met silence has taken long enough.
    """

    def increment(self, method: Any = None, url: Any = None, *rest: Any, **others: Any) -> Any:
        """Count a failure; see urllib3."""
        if isinstance(error := others.get("error"), urllib3.exceptions.ReadTimeoutError):
            raise error
        return super().increment(method, url, *rest, **others)


# Deletes and visibility changes may be repeated. So may a dead letter: it is there twice if the
# connection broke after SQS had taken it, under the id of one message, and a redrive of both has
# one effect. Not repeated it would be handled once more for nothing. A receive is never repeated:
# the messages in its lost answer would be hidden, and up to ten more with the next.
REPEATS: Final = Repeats(
    total=2,
    allowed_methods=None,  # any: urllib3 itself repeats no POST
    backoff_factor=0.1,
    respect_retry_after_header=False,  # it may say an hour
)


class Sqs(Protocol):
    """What a queue needs of SQS: an ``SqsWire``, or the SDK's client."""

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
    """Speaks SQS's JSON protocol. Any thread may call."""

    session: "boto3.Session"
    region: str
    url: str
    pool: urllib3.PoolManager
    repeats: urllib3.Retry | bool

    @classmethod
    def beside(
        cls,
        session: "boto3.Session",
        client: "SQSClient",
        *,
        connect_timeout: float,
        read_timeout: float,
        connections: int,
        repeat: bool,
    ) -> Self:
        """Talk to where ``client`` talks to. Times in seconds. Opens no connection yet."""
        endpoint = client.meta.endpoint_url
        pool = _pool(
            endpoint,
            cert_reqs="CERT_REQUIRED",
            ca_certs=_authorities(),
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
        """Send one request. Raises ``ClientError`` and the SDK's errors of connections."""
        request = self._signed(action, orjson.dumps(parameters))
        try:
            answer = self.pool.urlopen(
                "POST",
                self.url,
                body=request.data,
                headers=dict(request.headers.items()),
                redirect=False,  # what is signed for AWS is sent to nobody else
                retries=self.repeats,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(error) from error
        fields = _parse(answer.data)
        if answer.status != OK:
            raise _refusal(action, answer, fields or {})
        if fields is None or REQUEST_ID not in answer.headers:
            raise ResponseParserError(f"{action}: an answer that is not of AWS: {self.url}")
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


def _authorities() -> str:
    """Name the file of those who may vouch for AWS, as the SDK finds it in the environment."""
    named = (os.environ.get(name) for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"))
    return next(filter(None, named), certifi.where())


def _pool(endpoint: str, **options: Any) -> urllib3.PoolManager:
    """Go through the proxy of the environment, as the SDK does."""
    proxies = ProxyConfiguration(get_environ_proxies(endpoint))
    if proxy := proxies.proxy_url_for(endpoint):
        headers = proxies.proxy_headers_for(proxy)
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    return urllib3.PoolManager(**options)


def _parse(body: bytes) -> Any:
    """Read an answer: an object, or None for what is not one."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _refusal(
    action: str, answer: urllib3.BaseHTTPResponse, fields: Mapping[str, Any]
) -> ClientError:
    """Read an error as the SDK does: the code of the older protocol comes in a header."""
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
