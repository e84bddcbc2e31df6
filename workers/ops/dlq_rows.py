"""The rows of a service's table about its dead letters: handled since, and each failed attempt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.aws import failure_rows
from workers.aws.batch_get import batch_get
from workers.runtime.ports import FailedAttempt

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class Known:
    """What a service's table knows about an event."""

    processed: bool = False  # its effect is committed
    attempts: tuple[FailedAttempt, ...] = ()  # in order; kept for 30 days

    @property
    def versions(self) -> frozenset[str]:
        """The versions of the workers that failed."""
        return frozenset(each.version for each in self.attempts if each.version)


NOTHING: Final = Known()


def known_about(
    dynamodb: "DynamoDBClient", table: str, keys: Iterable[str], *, scope: str = ""
) -> Mapping[str, Known]:
    """Look up events by ``DeadMessage.key``, consistently; ``scope`` is that of the inbox."""
    wanted = set(keys)
    kinds = (f"inbox#{scope}", "failures#")
    rows = batch_get(dynamodb, [(table, kind + key) for key in wanted for kind in kinds])
    return {
        key: Known(
            processed=(table, f"inbox#{scope}{key}") in rows,
            attempts=failure_rows.attempts_in(rows.get((table, f"failures#{key}"))),
        )
        for key in wanted
    }
