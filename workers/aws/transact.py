"""Sends TransactWriteItems, and interprets its cancellations."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from workers.aws.codes import THROTTLED
from workers.aws.errors import code_of, translated
from workers.runtime.errors import Conflict, PermanentError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
MAX_ITEMS: Final = 100

CONDITION: Final = "ConditionalCheckFailed"
CONFLICT: Final = "TransactionConflict"

Write = dict[str, Any]


class Cancelled(Exception):
    """The transaction wrote nothing. ``reasons`` has one entry per write, in order."""

    def __init__(self, reasons: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(", ".join(reason.get("Code", "None") for reason in reasons))
        self.reasons = reasons

    def code(self, position: int) -> str:
        """Return the error code of one write; "None" if it has no error."""
        return str(self.reasons[position].get("Code", "None"))

    def error(self) -> Exception:
        """Return the runtime's error for the cancellation as a whole.

        Throttling takes precedence: any other problem shows on the next attempt.
        """
        codes = {self.code(position) for position in range(len(self.reasons))} - {"None"}
        text = f"dynamodb: transaction cancelled: {', '.join(sorted(codes))}"
        if codes & THROTTLED:
            return Unavailable(text, dependency="dynamodb")
        if codes <= {CONDITION, CONFLICT}:
            return Conflict(text)
        return PermanentError(f"{text}: {self._messages()}")

    def _messages(self) -> str:
        return "; ".join(reason["Message"] for reason in self.reasons if reason.get("Message"))


def write(client: "DynamoDBClient", writes: Sequence[Write]) -> None:
    """Write all or nothing. Raises ``Cancelled`` and the errors that ``runtime.ports`` names."""
    if len(writes) > MAX_ITEMS:
        raise PermanentError(
            f"dynamodb: the transaction has {len(writes)} writes; the limit is {MAX_ITEMS}"
        )
    with translated("dynamodb"):
        try:
            client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]  # built as plain dicts
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            raise Cancelled(error.response.get("CancellationReasons", [])) from error
