"""Rebuilds the counters of analytics out of the archive, into a generation of their own.

1. Every archived event is counted in the new generation, in the hour in which it occurred.
2. The new generation becomes the current one: workers count in it from now on.
3. After a while, the events that were archived since the start are counted too, as far as nobody
   has: those that a worker counted in the old generation only.

The inbox of the new generation holds a row for each event that it counts, written in the same
transaction. So it does not matter how often an event is archived, read or redelivered, or who is
first: the rebuild or a worker.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Final

from workers.aws.archive import Archive
from workers.aws.generations import REFRESH, new_generation, scope_of, use_generation
from workers.aws.transact import Cancelled, Write, write
from workers.aws.transaction import DynamoTransaction
from workers.envelope import Decode, Envelope, EnvelopeError
from workers.events import OrderEvent, accepting
from workers.ops.archive import ALWAYS, CLOCK_SKEW, Archived, Selection, Unreadable, read
from workers.ops.handled import handled
from workers.runtime.errors import Conflict
from workers.runtime.handler import Handlers
from workers.runtime.memory import INBOX_RETENTION
from workers.runtime.payloads import MAX_PAYLOAD_BYTES
from workers.runtime.ports import Between, Document
from workers.services.analytics import Analytics

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Events of a transaction. Each needs its inbox row, and at worst a counter row of its own; a
# transaction has at most 100 writes (MAX_ITEMS in aws/transact.py).
CHUNK: Final = 50
# After the switch, a worker may use the old generation for ``REFRESH``, and then spend three tries
# of seven seconds (aws/clients.py) on a commit.
SWITCH: Final = REFRESH + 23.0  # s
TRIES: Final = 8
_PAUSE: Final = 0.05  # s, before a transaction is repeated; it doubles
_PROGRESS: Final = 1_000  # events between two reports


@dataclass
class Counted:
    """What a rebuild has done so far."""

    generation: int
    events: int = 0  # counted by the rebuild
    known: int = 0  # already counted in this generation: copies, or a worker was first
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rebuild:
    """Counts the archive's events in a new generation of the table of analytics."""

    archive: Archive
    dynamodb: "DynamoDBClient"
    table: str
    types: frozenset[str]
    publishers: Mapping[str, frozenset[str]]  # the sources that are believed, by type
    archive_delay: float  # s until the archive holds what was published
    report: Callable[[str], None] = lambda _line: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> Counted:
        """Rebuild and switch. Raises ``FatalError`` without an archive, and ``Unavailable``.

        Interrupted before the switch, it changes nothing that anybody reads. After it, run it
        again: the next generation starts from nothing.
        """
        began = self.now()
        counted = Counted(new_generation(self.dynamodb, self.table))
        self.report(f"counting into generation {counted.generation}")
        self._count(self._everything(), counted)
        use_generation(self.dynamodb, self.table, counted.generation)
        pause = max(self.archive_delay, SWITCH)
        self.report(
            f"generation {counted.generation} is in use. Waiting {pause:.0f} s, until the archive "
            "holds what was published before"
        )
        self.sleep(pause)
        self._count(self._everything(written_since=began - CLOCK_SKEW), counted)
        return counted

    def preview(self) -> Mapping[str, int]:
        """Count the archived events by type, without changing anything."""
        found: dict[str, int] = defaultdict(int)
        for each in self._everything():
            if isinstance(each, Archived):
                found[each.type] += 1
        return dict(sorted(found.items()))

    def _everything(self, written_since: datetime | None = None) -> Iterator[Archived | Unreadable]:
        return read(self.archive, Selection(self.types, *ALWAYS), written_since=written_since)

    def _count(self, found: Iterable[Archived | Unreadable], counted: Counted) -> None:
        counter = _Counter(self.dynamodb, self.table, scope_of(counted.generation), self.sleep)
        remaining, decode = iter(found), accepting(self.publishers)
        while chunk := list(islice(remaining, CHUNK)):
            envelopes = list(_readable(chunk, counted, decode))
            done = counter.count(envelopes)
            before = counted.events + counted.known
            counted.events += done
            counted.known += len(envelopes) - done
            after = counted.events + counted.known
            if before // _PROGRESS != after // _PROGRESS:
                self.report(f"{after} events read, {counted.events} counted")


def _readable(
    chunk: Sequence[Archived | Unreadable],
    counted: Counted,
    decode: Decode[OrderEvent],
) -> Iterator[Envelope[OrderEvent]]:
    for each in chunk:
        try:
            if isinstance(each, Archived):
                yield decode(each.text, limit=MAX_PAYLOAD_BYTES)
                continue
            problem = each.reason
        except EnvelopeError as error:
            problem = str(error)
        counted.unreadable += 1
        if len(counted.problems) < CHUNK:
            counted.problems.append(f"{each.position.key}, event {each.position.number}: {problem}")


class _Counter:
    """Counts events in one generation, many in a transaction."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        scope: str,
        sleep: Callable[[float], None],
    ) -> None:
        self._dynamodb, self._table, self._scope, self._sleep = dynamodb, table, scope, sleep
        self._at = datetime.now(UTC)
        # Analytics spreads the writes of many workers over several rows; this is one writer.
        self._handlers = Handlers(Analytics(now=lambda: self._at, choose=lambda _shards: 0))

    def count(self, envelopes: Sequence[Envelope[OrderEvent]]) -> int:
        """Count those events that are not counted yet; return how many. Raises ``Conflict``."""
        pause = _PAUSE
        for _ in range(TRIES):
            known = handled(
                self._dynamodb, self._table, [each.key for each in envelopes], scope=self._scope
            )
            new = {each.key: each for each in envelopes if each.key not in known}
            if not new:
                return 0
            try:
                write(self._dynamodb, self._writes(new))
            except Cancelled as cancelled:
                # A worker counted one of them meanwhile, or is changing the same counters.
                if not isinstance(cancelled.error(), Conflict):
                    raise cancelled.error() from cancelled
                self._sleep(pause)
                pause *= 2
            else:
                return len(new)
        raise Conflict("dynamodb: other transactions keep changing the counters")

    def _writes(self, new: Mapping[str, Envelope[OrderEvent]]) -> list[Write]:
        sums = _Sums()
        for envelope in new.values():
            self._at = envelope.occurred_at
            self._handlers.handle(envelope.data, sums)
        transaction = DynamoTransaction(self._dynamodb, self._table, {}, None, "", optimistic=True)
        for key, amounts in sums.amounts.items():
            transaction.add(f"{self._scope}{key}", amounts)
        return [*(self._inbox_row(key) for key in new), *transaction.writes()]

    def _inbox_row(self, key: str) -> Write:
        """Return the row that ``DynamoStore`` would write: analytics has no outcomes."""
        expires = int(time.time() + INBOX_RETENTION.total_seconds())
        return {
            "Put": {
                "TableName": self._table,
                "Item": {
                    "pk": {"S": f"inbox#{self._scope}{key}"},
                    "expires": {"N": str(expires)},
                    "outcomes": {"L": []},
                    "fingerprint": {"S": ""},
                },
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }


class _Sums:
    """A transaction that only adds: it sums what several events add to the same row."""

    def __init__(self) -> None:
        self.amounts: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))

    def add(self, key: str, amounts: Mapping[str, object], *, where: Between | None = None) -> None:
        if where is not None:
            raise TypeError("a condition cannot be summed")
        for name, amount in amounts.items():
            self.amounts[key][name] += Decimal(str(amount))

    def get(self, key: str, *, creating: bool = False) -> Document | None:  # noqa: ARG002 - the port
        raise TypeError(f"only counters can be rebuilt, and {key} is read")

    def put(self, key: str, document: Document) -> None:
        raise TypeError(f"only counters can be rebuilt, and {key} is replaced by {document!r:.40}")
