"""The outcomes of redriven messages: handled, failed again, or not known yet."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from workers.aws.batch_get import batch_get
from workers.aws.failure_rows import attempts_in
from workers.aws.items import to_document

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GLANCE: Final = 0.5  # s between two looks
# For the outcome of a canary, and of the last messages of a redrive. Longer than a handler takes
# and than the delay after a first failed attempt; see ``BASE_DELAY`` in runtime/settlement.py.
PATIENCE: Final = 60.0  # s

Outcome = Literal["handled", "failed"]


@dataclass
class Outcomes:
    """Watches redriven messages until their outcome is known.

    Handled: the event's inbox row exists. Failed: an attempt of the redriven message is on record.
    A failed attempt may be retried with success, but it is reason enough to stop.
    """

    dynamodb: "DynamoDBClient"
    table: str
    scope: str = ""  # of the service's inbox
    pending: dict[str, str] = field(default_factory=dict)  # SQS id of the redriven -> event key
    handled: int = 0
    failed: list[str] = field(default_factory=list)  # event keys

    def watch(self, copies: Mapping[str, str]) -> None:
        """Watch more messages: SQS id of the redriven message -> ``DeadMessage.key``."""
        self.pending |= copies

    def look(self) -> None:
        """Read the rows of the pending messages once."""
        pending = dict(self.pending)
        found = batch_get(
            self.dynamodb,
            [
                (self.table, row)
                for message_id, key in pending.items()
                for row in (f"inbox#{self.scope}{key}", f"failures#{key}", f"attempts#{message_id}")
            ],
        )
        rows = {row: item for (_, row), item in found.items()}
        for message_id, key in pending.items():
            match outcome_of(rows, message_id, key, self.scope):
                case "handled":
                    self.handled += 1
                case "failed":
                    self.failed.append(key)
                case None:
                    continue
            del self.pending[message_id]

    def wait(
        self,
        *,
        until: Callable[[], bool],
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look until a condition holds, or nothing new was learnt for ``patience`` seconds."""
        known, since = len(self.pending), clock()
        while not until() and clock() - since < patience:
            self.look()
            if len(self.pending) != known:
                known, since = len(self.pending), clock()
            if not until():
                sleep(GLANCE)


def outcome_of(
    rows: Mapping[str, Any], message_id: str, key: str, scope: str = ""
) -> Outcome | None:
    """Decide the outcome of one redriven message from items by key; None if it is not known yet."""
    if f"inbox#{scope}{key}" in rows:
        return "handled"
    failures = attempts_in(rows.get(f"failures#{key}"))
    if any(attempt.message_id == message_id for attempt in failures):
        return "failed"
    if _errors(to_document(rows.get(f"attempts#{message_id}", {})).values()):
        return "failed"
    return None


def _errors(deliveries: Iterable[Any]) -> list[str]:
    """Return the errors of the attempts on record; a start without an end has none."""
    return [
        str(each["error"]) for each in deliveries if isinstance(each, dict) and each.get("error")
    ]
