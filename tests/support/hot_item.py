"""A fleet of inventory tasks that sells one item, on a virtual clock.

    make hot-item

prints how many reservations a second it makes, by the number of buckets of the item.
"""

import argparse
import logging
import random
from dataclasses import dataclass, field

import structlog
from rich.console import Console
from rich.table import Table

from support.fakes import FakeClock, FakeStore
from support.harness import Harness
from support.scheduler import Scheduler
from workers.runtime.errors import Conflict
from workers.services.buckets import arrange
from workers.services.inventory import Inventory
from workers.services.stock import listed

SKU = "tea"
PIECES = 2  # units per order
COMMIT = 0.01  # s that a transaction holds its items
READ = 0.003  # s
REFUSAL = 0.005  # s until a conflict is reported
SLOTS = 10  # handlers of one task
LOOK = 5.0  # s between two polls of an empty queue
# Of the table that is printed.
BUCKETS = (1, 2, 4, 8, 16, 32)
ORDERS = 500


@dataclass
class Contention:
    """Counts of commits and refusals."""

    refused: int = 0
    at_it: set = field(default_factory=set)  # keys that the transactions under way write


class BusyStore(FakeStore):
    """A store whose requests take time, and whose writes conflict with running transactions.

    DynamoDB refuses a transaction, and a plain ``UpdateItem``, that writes an item of a running
    one, with TransactionConflict. Reads are not refused:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    """

    def __init__(self, clock, sleep, *, commit=COMMIT, read=READ):
        super().__init__()
        self.contention = Contention()
        self.committed_at = []
        self._now, self._sleep = clock, sleep
        self._commit_takes, self._read_takes = commit, read

    def read(self, key):
        self._sleep(self._read_takes)
        return super().read(key)

    def commit(self, transaction, outcomes):
        with self._holding({f"inbox#{transaction.key}", *transaction.writes}):
            self._sleep(self._commit_takes)
            record = super().commit(transaction, outcomes)
        self.committed_at.append(self._now())
        return record

    def set(self, key, document):
        """Write a document as ``UpdateItem`` with SET does."""
        with self._holding({key}):
            self.seed(key, document)

    def _holding(self, keys):
        if self.contention.at_it & keys:
            self.contention.refused += 1
            self._sleep(REFUSAL)
            raise Conflict("TransactionConflict")
        return _Held(self.contention.at_it, keys)


class _Held:
    """Keys that a write holds from its start to its end."""

    def __init__(self, at_it, keys):
        self._at_it, self._keys = at_it, keys
        at_it |= keys

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._at_it -= self._keys


class Fleet:
    """Inventory tasks on one queue; every handler is a thread on the virtual clock."""

    def __init__(self, tasks, *, seed=1, **times):
        self.clock = FakeClock()
        self.turns = Scheduler(self.clock)
        self.store = BusyStore(self.clock, self.turns.sleep, **times)
        first = Harness(
            Inventory(choose=random.Random(seed).randrange),  # noqa: S311 - repeatable
            name="inventory",
            store=self.store,
            clock=self.clock,
            concurrency=SLOTS,
            sleep=self.turns.sleep,
            rest=self.turns.rest,
        )
        self.tasks = [first, *(first.restart() for _ in range(tasks - 1))]
        self.queue, self.send = first.queue, first.send

    @property
    def stock(self):
        return listed(self.store.documents)[0]

    def add_stock(self, available, buckets=1):
        row = {"available": available, "reserved": 0, "reorderThreshold": 0}
        plain = FakeStore()
        plain.seed(f"stock#{SKU}", row)
        tx = plain.begin("operator")
        if buckets > 1:
            arrange(SKU, tx, buckets=buckets)
        plain.commit(tx, ())
        for key, document in plain.documents.items():
            self.store.seed(key, document)

    def run(self, *others):
        handlers = [
            lambda task=task: self._handle(task) for task in self.tasks for _ in range(SLOTS)
        ]
        self.turns.run(*handlers, self._keep, *others)

    def _handle(self, task):
        """Handle messages one after the other, as a handler thread does, until there are none."""
        while len(self.queue):
            lease = task.next_lease()
            if lease is not None:
                task.consumer.consume(lease)
            elif not (self.queue.visible and task.receive()):
                self.turns.sleep(LOOK)

    def _keep(self):
        """Renew and settle for every task, as their lease and ack threads do."""
        while len(self.queue):
            self.turns.sleep(1)
            for task in self.tasks:
                task.leases.renew()
                task.acks.flush()


@dataclass(frozen=True)
class Sale:
    """The figures of one sale."""

    buckets: int
    reserved: int  # orders
    lost: int  # orders that were not reserved, although there was enough
    rate: float  # reservations a second, until nine in ten orders had theirs
    seconds: float  # until the last order had its units
    refused: int  # conflicts


def sell(buckets, orders=ORDERS, seed=1):
    """Sell to ``orders`` customers at once, with a handler for each of them."""
    random.seed(seed)
    fleet = Fleet(tasks=-(-orders // SLOTS), seed=seed)
    fleet.add_stock(PIECES * orders, buckets)
    fleet.send(*(f"order-{n}" for n in range(orders)))
    began = fleet.clock()
    fleet.run()
    times = sorted(at - began for at in fleet.store.committed_at)
    most = len(times) * 9 // 10
    reserved = fleet.stock.reserved // PIECES
    return Sale(
        buckets,
        reserved,
        orders - reserved,
        most / times[most - 1],
        times[-1],
        fleet.store.contention.refused,
    )


def main():
    parser = argparse.ArgumentParser(prog="make hot-item", description=sell.__doc__)
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    table = Table(title=f"{arguments.orders} orders for one item at once, virtual time")
    for name in ("buckets", "reserved", "lost", "reservations/s", "last after s", "conflicts"):
        table.add_column(name, justify="right")
    for buckets in BUCKETS:
        sale = sell(buckets, arguments.orders, arguments.seed)
        table.add_row(
            str(sale.buckets),
            str(sale.reserved),
            str(sale.lost),
            f"{sale.rate:.0f}",
            f"{sale.seconds:.1f}",
            str(sale.refused),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
