"""Clients that set up an emulator of AWS. They wait longer for an answer than a worker's."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ses import SESClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

_CONFIG: Final = Config(
    connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)


@dataclass(frozen=True)
class EmulatorClients:
    """One client for each service that the map needs."""

    sqs: "SQSClient"
    sns: "SNSClient"
    dynamodb: "DynamoDBClient"
    ses: "SESClient"

    @classmethod
    def connect(cls, region: str) -> Self:
        """Make the clients for ``AWS_ENDPOINT_URL``. Opens no connection."""
        session = boto3.Session(region_name=region)
        return cls(
            session.client("sqs", config=_CONFIG),
            session.client("sns", config=_CONFIG),
            session.client("dynamodb", config=_CONFIG),
            session.client("ses", config=_CONFIG),
        )

    def endpoints(self) -> tuple[str, ...]:
        """Return the address of each service."""
        clients = (self.sqs, self.sns, self.dynamodb, self.ses)
        return tuple(client.meta.endpoint_url for client in clients)
