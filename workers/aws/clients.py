"""Creates the AWS clients, in the main thread: a boto3 session is not thread-safe."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError
from botocore.parsers import ResponseParserError

from workers.aws.credentials import guarded_session
from workers.aws.endpoints import require_valid_endpoints
from workers.aws.errors import translated
from workers.aws.wire import OK, REQUEST_ID, USER_AGENT, SqsWire
from workers.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ses import SESClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT: Final = 2.0  # s
READ_TIMEOUT: Final = 5.0  # s
TOTAL_ATTEMPTS: Final = 3
# A poll that is cut off hides up to ten messages and costs each a receive, so wait longer than SQS.
POLL_MARGIN: Final = 5.0  # s
INSPECTION_TIMEOUT: Final = 3.0  # s; somebody waits for the answer
INSPECTIONS: Final = 32  # requests at once
# Connections for threads other than handlers: polls, leases, acks, relay.
SPARE_CONNECTIONS: Final = 4

C = TypeVar("C", bound=BaseClient)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take: seconds for each attempt, and the number of attempts.

    The SDK pauses for up to a second between the first two attempts.
    """

    connect: float = CONNECT_TIMEOUT
    read: float = READ_TIMEOUT
    attempts: int = TOTAL_ATTEMPTS


PATIENT: Final = Patience()
FOR_A_BEAT: Final = Patience(read=CONNECT_TIMEOUT, attempts=1)
FOR_A_PERSON: Final = Patience(read=2.0, attempts=2)
# Somebody waits: two attempts and the pause end within 4 s.
FOR_A_REQUEST: Final = Patience(connect=1.0, read=1.5, attempts=2)
# The caller repeats by itself and wants to know soon.
FOR_A_LOOP: Final = Patience(attempts=1)
FOR_AN_INSPECTION: Final = Patience(read=INSPECTION_TIMEOUT, attempts=1)


@dataclass(frozen=True)
class Clients:
    """Creates the clients that a process needs; any thread may use them afterwards.

    Each call creates a new client, so a service that sends no email never loads SES.
    """

    session: boto3.Session
    receive_wait: float  # s
    threads: int
    patience: Patience = PATIENT

    @classmethod
    def connect(cls, settings: Settings, *, threads: int, patience: Patience = PATIENT) -> Self:
        """Prepare for ``threads`` threads that call AWS at once. Opens no connection yet.

        Somebody may wait for the answers of a command: ``patience`` says how long a call may take.

        Raises ``FatalError`` if the SDK's own configuration is wrong, ``SettingsError`` if
        ``AWS_ENDPOINT_URL`` is not a URL.
        """
        require_valid_endpoints()
        with translated("aws"):
            session = guarded_session(settings.aws_region)
        return cls(session, settings.receive_wait, threads, patience)

    def poll(self) -> SqsWire:
        """Create a client for receiving: one attempt, because the loop itself backs off."""
        return self._wire(read_timeout=self.receive_wait + POLL_MARGIN, repeat=False)

    def settle(self) -> SqsWire:
        """Create a client for deletes and visibility changes, which an open poll never delays."""
        return self._wire(read_timeout=READ_TIMEOUT, repeat=True)

    def control(self) -> "SQSClient":
        """Create a client for everything else in SQS: names, depths, redrives."""
        with translated("sqs"):
            return _checking(self.session.client("sqs", config=self._config()))

    def s3(self) -> Any:
        """Create a client for reading the archive. S3 itself checks what it streams."""
        with translated("s3"):
            client = self.session.client("s3", config=self._config())
        client.meta.events.register("before-parse.s3.ListObjectsV2", _refuse_truncated)
        return client

    def sns(self) -> "SNSClient":
        """Create a client for publishing."""
        with translated("sns"):
            return _checking(self.session.client("sns", config=self._config()))

    def dynamodb(self, patience: Patience | None = None) -> "DynamoDBClient":
        """Create a client for documents, inbox and outbox."""
        with translated("dynamodb"):
            return _checking(self.session.client("dynamodb", config=self._config(patience)))

    def roster(self) -> "DynamoDBClient":
        """Create a client for heartbeats: one quick attempt, because the next beat is due soon."""
        with translated("dynamodb"):
            return _checking(self.session.client("dynamodb", config=self._config(FOR_A_BEAT)))

    def ses(self) -> "SESClient":
        """Create a client for email."""
        with translated("ses"):
            return _checking(self.session.client("ses", config=self._config()))

    def cloudwatch(self) -> Any:
        """Create a client that reads metrics."""
        with translated("cloudwatch"):
            return _checking(self.session.client("cloudwatch", config=self._config()))

    def sts(self) -> Any:
        """Create a client that tells who calls."""
        with translated("sts"):
            return _checking(self.session.client("sts", config=self._config()))

    def inspector(self, service: str) -> Any:
        """Create a client to look at the configuration of any AWS service: it gives up soon."""
        with translated(service):
            config = self._config(FOR_AN_INSPECTION).merge(Config(max_pool_connections=INSPECTIONS))
            return _checking(self.session.client(service, config=config))  # type: ignore[call-overload]  # any name

    def _wire(self, *, read_timeout: float, repeat: bool) -> SqsWire:
        return SqsWire.like(
            self.session,
            self.control(),
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=read_timeout,
            connections=self.threads + SPARE_CONNECTIONS,
            repeat=repeat,
        )

    def refresh_credentials(self) -> None:
        """Refresh credentials that are about to expire, so that no call waits for it. Thread-safe.

        A failure is not raised: the next call that needs credentials tries again.
        """
        credentials = self.session.get_credentials()
        if credentials is not None:
            with suppress(Exception):
                credentials.get_frozen_credentials()

    def _config(self, patience: Patience | None = None) -> Config:
        patience = patience or self.patience
        return Config(
            connect_timeout=patience.connect,
            max_pool_connections=self.threads + SPARE_CONNECTIONS,
            parameter_validation=False,  # inputs are typed, and it takes time on each call
            read_timeout=patience.read,
            retries={"mode": "standard", "total_max_attempts": patience.attempts},
            tcp_keepalive=True,
            # Otherwise the SDK builds a long one for each request.
            user_agent=USER_AGENT,
        )


def _checking(client: C) -> C:
    client.meta.events.register("before-parse", _refuse_truncated)
    client.meta.events.register("before-parse", _refuse_foreign)
    return client


def _refuse_truncated(response_dict: Any, operation_model: Any, **_: object) -> None:
    """Raise if the connection broke: the SDK treats a response that it cannot parse as empty.

    It turns off urllib3's length check (``enforce_content_length`` in botocore.httpsession), so a
    truncated document would count as absent.
    """
    promised = response_dict["headers"].get("content-length")
    if promised is not None and int(promised) != len(response_dict["body"]):
        raise ConnectionClosedError(endpoint_url=f"{operation_model.name}, truncated")


def _refuse_foreign(response_dict: Any, operation_model: Any, **_: object) -> None:
    """Raise for a success without an AWS request ID: something else answered, such as a proxy.

    To the SDK an empty page means "published", or "no such document".
    """
    if response_dict["status_code"] != OK or REQUEST_ID in response_dict["headers"]:
        return
    if b"<RequestId>" not in response_dict["body"]:  # LocalStack puts it here for SNS and SES
        raise ResponseParserError(f"{operation_model.name}: the response is not from AWS")
