"""Creates the AWS clients, in the main thread: a boto3 session is not thread-safe."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

import boto3
from botocore.client import BaseClient
from botocore.config import Config

from workers.aws.answers import refuse_foreign, refuse_truncated
from workers.aws.credentials import guarded_session
from workers.aws.endpoints import require_valid_endpoints
from workers.aws.errors import translated
from workers.aws.sqs import Sqs
from workers.runtime.errors import SettingsError
from workers.settings import Settings, Transport
from workers.version import USER_AGENT

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
    transport: Transport = "wire"

    @classmethod
    def connect(
        cls,
        settings: Settings,
        *,
        threads: int,
        patience: Patience = PATIENT,
        transport: Transport | None = None,
    ) -> Self:
        """Prepare for ``threads`` threads that call AWS at once. Opens no connection yet.

        Somebody may wait for the answers of a command: ``patience`` says how long a call may take.
        Without ``transport``, the settings say it.

        Raises ``FatalError`` if the SDK's own configuration is wrong, ``SettingsError`` if
        ``AWS_ENDPOINT_URL`` is not a URL.
        """
        require_valid_endpoints()
        with translated("aws"):
            session = guarded_session(settings.aws_region)
        return cls(
            session,
            settings.receive_wait,
            threads,
            patience,
            transport or settings.aws_transport,
        )

    def poll(self) -> Sqs:
        """Create a client for receiving: one attempt, because the loop itself backs off."""
        return self._sqs(Patience(read=self.receive_wait + POLL_MARGIN, attempts=1))

    def settle(self) -> Sqs:
        """Create a client for deletes and visibility changes, which an open poll never delays."""
        return self._sqs(PATIENT)

    def control(self) -> "SQSClient":
        """Create a client for everything else in SQS: names, depths, redrives."""
        with translated("sqs"):
            return _checking(self.session.client("sqs", config=self._config()))

    def s3(self) -> Any:
        """Create a client for reading the archive. S3 itself checks what it streams."""
        with translated("s3"):
            client = self.session.client("s3", config=self._config())
        client.meta.events.register("before-parse.s3.ListObjectsV2", refuse_truncated)
        return client

    def sns(self) -> "SNSClient":
        """Create a client for publishing."""
        with translated("sns"):
            return self._hot(self.session.client("sns", config=self._config()))

    def dynamodb(self, patience: Patience | None = None) -> "DynamoDBClient":
        """Create a client for documents, inbox and outbox."""
        with translated("dynamodb"):
            return self._hot(self.session.client("dynamodb", config=self._config(patience)))

    def roster(self) -> "DynamoDBClient":
        """Create a client for heartbeats: one quick attempt, because the next beat is due soon."""
        with translated("dynamodb"):
            return self._hot(self.session.client("dynamodb", config=self._config(FOR_A_BEAT)))

    def ses(self) -> "SESClient":
        """Create a client for email."""
        with translated("ses"):
            return self._hot(self.session.client("ses", config=self._config()))

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

    def _sqs(self, patience: Patience) -> Sqs:
        with translated("sqs"):
            client = _checking(self.session.client("sqs", config=self._config(patience)))
        if self.transport == "boto3":
            return cast("Sqs", client)
        with _loading():
            from workers.aws.wire import SqsWire  # noqa: PLC0415 - only where it is used
        return SqsWire.like(self.session, client)

    def _hot(self, client: C) -> C:
        """Return the client, or what stands for it and sends its hot requests by the wire."""
        _checking(client)
        if self.transport == "boto3":
            return client
        with _loading():
            from workers.aws.wired import Wired  # noqa: PLC0415 - as above
        return cast("C", Wired(client, self.session))

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


@contextmanager
def _loading() -> Iterator[None]:
    """Say what helps if the wire cannot be loaded: its parser is a library in C."""
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            f"AWS_TRANSPORT: the wire cannot be loaded ({error}); AWS_TRANSPORT=boto3 works without"
        ) from error


def _checking(client: C) -> C:
    client.meta.events.register("before-parse", refuse_truncated)
    client.meta.events.register("before-parse", refuse_foreign)
    return client
