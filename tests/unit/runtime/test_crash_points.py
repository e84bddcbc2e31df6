"""The crash matrix: a power cut before or after any call loses and duplicates nothing.

The points are counted in a run without a fault, so a new call in the code is a new test here.
"""

from decimal import Decimal

import pytest
from structlog.testing import capture_logs
from support.builders import NOON, a_line, a_payment, a_refund, an_envelope, an_order, low_stock
from support.fakes import FakeClock, FakeGateway, FakeQueue, FakeStore, FakeTopic
from support.harness import VISIBILITY, Counting, Harness
from support.power_cuts import Mains, PowerCut

from workers.events import OrderCreated, PaymentCompleted, Simulation
from workers.runtime.errors import Unavailable
from workers.runtime.handler import handles
from workers.runtime.ports import Transaction
from workers.services.analytics import Analytics
from workers.services.buckets import arrange
from workers.services.inventory import Inventory
from workers.services.payment import Payment

MAX_PROCESSES = 10


class Broken:
    """A handler that fails every time."""

    @handles
    def charge(self, order: OrderCreated, tx: Transaction) -> PaymentCompleted | None:
        tx.get(f"payment#{order.order_id}")
        raise ValueError("a bug")


def broken_for(order_id):
    """Break the handler for one order, every time."""

    def act(order):
        if order.order_id == order_id:
            raise ValueError("a bug")

    return act


def analytics(_gateway):
    return Analytics(now=lambda: NOON, choose=lambda _shards: 0)


class World:
    """The queue, topic and store, which outlive a process."""

    def __init__(self, *events):
        self.clock = FakeClock()
        self.queue = FakeQueue(clock=self.clock, visibility_timeout=VISIBILITY, max_receives=50)
        self.topic = FakeTopic()
        self.store = FakeStore()
        self.gateway = FakeGateway()
        self.store.seed("stock#tea", {"available": 5, "reserved": 0, "reorderThreshold": 3})
        self.store.seed("stock#mug", {"available": 12, "reserved": 0, "reorderThreshold": 5})
        tx = self.store.begin("operator")
        arrange("mug", tx, buckets=3)
        self.store.commit(tx, ())
        self.concurrency = max(1, len(events))  # so that messages wait, and are handled together
        for number, event in enumerate(events):
            self.queue.send(an_envelope(event, event_id=f"event-{number}").encode())

    def process(self, service, mains):
        """Start a process whose every call goes through ``mains``."""
        return Harness(
            service(mains.wire("gateway", self.gateway)),
            queue=mains.wire("queue", self.queue),
            topic=mains.wire("topic", self.topic),
            store=mains.wire("store", self.store),
            clock=self.clock,
            concurrency=self.concurrency,
        )

    def run(self, service, mains):
        """Run a process, and another after each power cut, until the queue is empty."""
        for _ in range(MAX_PROCESSES):
            worker = self.process(service, mains)
            try:
                worker.run_dry(pause=VISIBILITY)
            except PowerCut:
                self.assert_nothing_is_published_that_is_not_committed()
                self.clock.advance(VISIBILITY)
            else:
                assert worker.permits.held == len(worker.leases) == 0
                return
        raise AssertionError("the queue does not get empty")

    def assert_nothing_is_published_that_is_not_committed(self):
        committed = {o.event_id for record in self.store.records.values() for o in record.outcomes}
        assert {outcome.event_id for outcome in self.topic.published} <= committed

    def outcomes(self):
        """The events that consumers see without duplicates: id -> type and data."""
        seen = {}
        for outcome in self.topic.published:
            known = seen.setdefault(outcome.event_id, outcome)
            assert known.data == outcome.data
        return {event_id: (each.event_type, each.data) for event_id, each in seen.items()}

    def dead(self):
        """The ids of messages in the dead-letter queue; a copy of a copy counts once."""
        return {letter.message.id for letter in self.queue.dead_letters}


SCENARIOS = {
    "payment": (Payment, [an_order()]),
    "payment-declined": (
        lambda gateway: Payment(gateway, allow_simulation=True),
        [an_order(simulation=Simulation(payment_outcome="declined"))],
    ),
    "inventory": (lambda _gateway: Inventory(), [an_order()]),
    "inventory-buckets": (
        lambda _gateway: Inventory(choose=lambda _n: 0),
        [an_order(items=(a_line("mug", quantity=8),))],  # of all buckets, and of what is kept
    ),
    "inventory-short": (lambda _gateway: Inventory(), [an_order(items=(a_line(quantity=9),))]),
    "broken": (lambda _gateway: Broken(), [an_order()]),
    "malformed": (lambda _gateway: Inventory(), []),
    "suspect": (Payment, [an_order()]),
    "batch": (analytics, [an_order(), a_payment(), low_stock(), a_refund()]),
    "batch-duplicate": (analytics, [an_order(), a_payment(), a_refund()]),
    "batch-broken": (
        lambda _gateway: Counting(broken_for("order-2")),
        [an_order(order_id=f"order-{n}") for n in range(4)],
    ),
}


def a_world(name):
    world = World(*SCENARIOS[name][1])
    if name == "malformed":
        world.queue.send("not JSON")
    if name == "batch-duplicate":
        world.concurrency = 4
        world.queue.send(an_envelope(a_payment(), event_id="event-1").encode())
    if name == "suspect":  # a worker received it and never reported back
        (message,) = world.queue.receive(1, 0)
        world.queue.redeliver(message.id)
    return world


def run(name, mains):
    world = a_world(name)
    with capture_logs():
        world.run(SCENARIOS[name][0], mains)
    return world


def points(name):
    mains = Mains()
    run(name, mains)
    return mains.points()


MATRIX = [
    pytest.param(name, point, id=f"{name}-{point}") for name in SCENARIOS for point in points(name)
]


@pytest.fixture(scope="module")
def undisturbed():
    """The outcome of each scenario without a fault."""
    return {name: run(name, Mains()) for name in SCENARIOS}


def assert_same_end(world, expected):
    assert world.outcomes() == expected.outcomes()
    assert world.store.documents == expected.store.documents
    assert world.store.records.keys() == expected.store.records.keys()
    assert world.gateway.charged == expected.gateway.charged
    assert len(world.queue) == 0
    assert world.dead() == expected.dead()


@pytest.mark.parametrize(("name", "point"), MATRIX)
def test_a_power_cut_changes_nothing_in_the_end(name, point, undisturbed):
    assert_same_end(run(name, Mains(point)), undisturbed[name])


@pytest.mark.parametrize(("name", "point"), MATRIX)
def test_a_failed_call_or_a_lost_reply_changes_nothing_in_the_end(name, point, undisturbed):
    error = Unavailable("no answer", dependency=point.name)
    assert_same_end(run(name, Mains(point, error)), undisturbed[name])


def test_undisturbed_runs_end_correctly(undisturbed):
    ends = {
        name: (sorted(kind for kind, _ in world.outcomes().values()), len(world.dead()))
        for name, world in undisturbed.items()
    }
    assert ends == {
        "payment": (["payment.completed"], 0),
        "payment-declined": (["payment.failed"], 0),
        "inventory": (["inventory.low", "inventory.reserved"], 0),
        "inventory-buckets": (["inventory.low", "inventory.reserved"], 0),
        "inventory-short": (["inventory.failed"], 0),
        "broken": ([], 1),
        "malformed": ([], 1),
        "suspect": (["payment.completed"], 0),
        "batch": ([], 0),
        "batch-duplicate": ([], 0),
        "batch-broken": ([], 1),
    }
    assert undisturbed["batch"].store.documents["hour#2026-01-02T12#0"] == {
        "order.created": 1,
        "payment.completed": 1,
        "payment.refunded": 1,
        "inventory.low": 1,
        "revenue.EUR": 0,
    }
    assert [charge.amount for _, charge in undisturbed["payment"].gateway.charged] == [
        Decimal("24.60")
    ]
    assert undisturbed["inventory"].store.documents["stock#tea"]["available"] == 3


def test_the_matrix_reaches_every_port():
    reached = {point.values[1].name for point in MATRIX}
    assert reached >= {
        "queue.receive",
        "queue.delete",
        "queue.change_visibility",
        "queue.dead_letter",
        "store.recall",
        "store.begin",
        "store.commit",
        "store.begin_together",
        "store.commit_together",
        "store.attempts",
        "store.record_attempt",
        "store.excuse_attempt",
        "transaction.get",
        "transaction.put",
        "transaction.add",
        "topic.publish",
        "gateway.charge",
    }
