"""The AWS clients. Make them in the main thread, before others start: sessions are not shared."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import boto3
from botocore.config import Config

from workers.aws.errors import translated
from workers.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT: Final = 2.0  # s
READ_TIMEOUT: Final = 5.0  # s
# A poll that is cut off hides up to ten messages and costs each a receive: wait longer than SQS.
POLL_MARGIN: Final = 5.0  # s
TOTAL_ATTEMPTS: Final = 3
# Threads of the process itself that call AWS: polls, leases, acks, relay.
SPARE_CONNECTIONS: Final = 4


@dataclass(frozen=True)
class Clients:
    """Makes the clients a process needs. A client may be used by any thread; this may not.

    Each method makes a new client: a service that sends no mail does not pay for SES.
    """

    session: boto3.Session
    receive_wait: float  # s
    threads: int

    @classmethod
    def connect(cls, settings: Settings, *, threads: int) -> Self:
        """Prepare for ``threads`` threads that call AWS at once. Opens no connection yet.

        Raises ``FatalError`` if the SDK's own configuration is wrong.
        """
        with translated("aws"):
            session = boto3.Session(region_name=settings.aws_region)
        return cls(session, settings.receive_wait, threads)

    def poll(self) -> "SQSClient":
        """For receiving: one attempt, for the loop backs off itself and knows when to stop."""
        config = self._config(attempts=1, read_timeout=self.receive_wait + POLL_MARGIN)
        with translated("sqs"):
            return self.session.client("sqs", config=config)

    def control(self) -> "SQSClient":
        """For all else in SQS: an open poll can never delay a delete or a heartbeat."""
        with translated("sqs"):
            return self.session.client("sqs", config=self._config())

    def sns(self) -> "SNSClient":
        """For publishing."""
        with translated("sns"):
            return self.session.client("sns", config=self._config())

    def dynamodb(self) -> "DynamoDBClient":
        """For documents, inbox and outbox."""
        with translated("dynamodb"):
            return self.session.client("dynamodb", config=self._config())

    def sesv2(self) -> "SESV2Client":
        """For e-mail."""
        with translated("ses"):
            return self.session.client("sesv2", config=self._config())

    def _config(
        self, *, attempts: int = TOTAL_ATTEMPTS, read_timeout: float = READ_TIMEOUT
    ) -> Config:
        return Config(
            connect_timeout=CONNECT_TIMEOUT,
            max_pool_connections=self.threads + SPARE_CONNECTIONS,
            parameter_validation=False,  # inputs are typed, and it takes time on each call
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
            tcp_keepalive=True,
        )
