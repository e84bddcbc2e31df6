"""Counts of requests, in the table of orders: one row for each caller and window."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PREFIX: Final = "rate#"


@dataclass(frozen=True)
class RequestCounts:
    """Counts requests of callers in windows of ``window`` s."""

    client: "DynamoDBClient"
    table: str
    window: int

    def add(self, caller: str, window: int, requests: int) -> int:
        """Count requests; return the sum so far. Raises ``Unavailable``.

        A repeat after a lost reply counts twice: the caller gets less, never more. DynamoDB
        deletes the row by its time to live once the next window has ended.
        """
        with translated("dynamodb"):
            row = self.client.update_item(
                TableName=self.table,
                Key={"pk": {"S": f"{PREFIX}{caller}#{window}"}},
                UpdateExpression="SET expires = :expires ADD requests :requests",
                ExpressionAttributeValues={
                    ":expires": {"N": str((window + 2) * self.window)},
                    ":requests": {"N": str(requests)},
                },
                ReturnValues="UPDATED_NEW",
            )["Attributes"]
        return int(row["requests"]["N"])
