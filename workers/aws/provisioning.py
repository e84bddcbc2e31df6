"""Tells an emulator from AWS, and makes clients that set it up.

They wait longer for an answer than a worker's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from workers.aws.endpoints import require_valid_endpoints

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ses import SESClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

_CONFIG: Final = Config(
    connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)


def is_aws(endpoint: str) -> bool:
    """Return whether the URL of a service is AWS's own, of any partition or VPC endpoint."""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


@dataclass(frozen=True)
class EmulatorClients:
    """One client for each service that the map needs."""

    sqs: "SQSClient"
    sns: "SNSClient"
    dynamodb: "DynamoDBClient"
    ses: "SESClient"
    s3: Any

    @classmethod
    def connect(cls, region: str) -> Self:
        """Make the clients for ``AWS_ENDPOINT_URL``. Opens no connection.

        Raises ``SettingsError`` if it is not a URL.
        """
        require_valid_endpoints()
        session = boto3.Session(region_name=region)
        return cls(
            session.client("sqs", config=_CONFIG),
            session.client("sns", config=_CONFIG),
            session.client("dynamodb", config=_CONFIG),
            session.client("ses", config=_CONFIG),
            session.client("s3", config=_CONFIG),
        )

    def endpoints(self) -> tuple[str, ...]:
        """Return the address of each service."""
        clients = (self.sqs, self.sns, self.dynamodb, self.ses, self.s3)
        return tuple(client.meta.endpoint_url for client in clients)
