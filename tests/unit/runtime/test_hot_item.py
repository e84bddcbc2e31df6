"""Hundreds of handlers write one stock row at once: some wait, and none is lost."""

import random
from dataclasses import dataclass, field

from support.fakes import FakeClock, FakeStore
from support.harness import Harness
from support.scheduler import Scheduler

from workers.runtime.errors import Conflict
from workers.services.inventory import Inventory

ROW = "stock#tea"
PIECES = 2  # units per order
COMMIT = 0.1  # s that a transaction holds its items; DynamoDB takes a tenth of it
REFUSAL = 0.005  # s until a conflict is reported
SLOTS = 10  # handlers of one task
LOOK = 5.0  # s between two polls of an empty queue


@dataclass
class Contention:
    """Counts of commits and refusals."""

    refused: int = 0
    at_it: set = field(default_factory=set)  # keys that the transactions under way write


class BusyStore(FakeStore):
    """A store whose commits take time, and conflict on items that another transaction writes.

    As DynamoDB does, with TransactionConflict:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    """

    def __init__(self, sleep):
        super().__init__()
        self.contention = Contention()
        self._sleep = sleep

    def commit(self, transaction, outcomes):
        at_it, keys = self.contention.at_it, set(transaction.writes)
        if at_it & keys:
            self.contention.refused += 1
            self._sleep(REFUSAL)
            raise Conflict("TransactionConflict")
        at_it |= keys
        try:
            self._sleep(COMMIT)
            return super().commit(transaction, outcomes)
        finally:
            at_it -= keys


class Fleet:
    """Inventory tasks on one queue; every handler is a thread on the virtual clock."""

    def __init__(self, tasks):
        clock = FakeClock()
        self.turns = Scheduler(clock)
        self.store = BusyStore(self.turns.sleep)
        first = Harness(
            Inventory(),
            name="inventory",
            store=self.store,
            clock=clock,
            concurrency=SLOTS,
            sleep=self.turns.sleep,
            rest=self.turns.rest,
        )
        self.tasks = [first, *(first.restart() for _ in range(tasks - 1))]
        self.queue, self.send = first.queue, first.send

    def run(self):
        handlers = [
            lambda task=task: self._handle(task) for task in self.tasks for _ in range(SLOTS)
        ]
        self.turns.run(*handlers, self._keep)

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


def test_every_order_gets_its_items():
    random.seed(1)
    fleet = Fleet(tasks=20)
    orders = [f"order-{n}" for n in range(200)]
    needed = PIECES * len(orders)
    fleet.store.seed(ROW, {"available": needed, "reserved": 0, "reorderThreshold": 0})
    fleet.send(*orders)
    fleet.run()
    assert fleet.queue.dead_letters == []
    assert fleet.store.documents[ROW] == {
        "available": 0,
        "reserved": needed,
        "reorderThreshold": 0,
    }
    assert fleet.store.contention.refused > 2 * len(orders)  # the item really was hot
    assert all(not log.attempts for log in fleet.store.attempt_logs.values())
