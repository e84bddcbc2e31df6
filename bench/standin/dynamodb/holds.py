"""The items of transactions whose answers are not out yet."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.standin.dynamodb.writes import Write

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
CONFLICT = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
_MANY = 1_000  # items, from which on those that are free again are forgotten


@dataclass
class Holds:
    """Holds items for ``seconds``; 0: nothing ever conflicts."""

    seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _until: dict[tuple[str, str], float] = field(default_factory=dict)

    def has(self, write: Write) -> bool:
        """Return whether a transaction holds the item of a write."""
        return self._until.get((write.table.name, write.pk), 0.0) > self.clock()

    def take(self, writes: Iterable[Write]) -> None:
        """Hold the items of a transaction."""
        if not self.seconds:
            return
        now = self.clock()
        if len(self._until) > _MANY:
            self._until = {item: until for item, until in self._until.items() if until > now}
        self._until |= {(write.table.name, write.pk): now + self.seconds for write in writes}
