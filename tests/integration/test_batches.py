"""Analytics handles a backlog in few requests and few write units, and counts it exactly."""

from collections import Counter
from datetime import timedelta

import pytest
from support.builders import NOON, a_payment, a_refund, a_reservation, an_envelope, an_order
from support.fakes import FakeClock
from support.harness import Harness

from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.generations import CurrentScope, GenerationalStore
from workers.ops.counters import read_counters
from workers.services.analytics import Analytics
from workers.topology import Topology

pytestmark = pytest.mark.integration

EVENTS = 100
KIB = 1024


class Counted:
    """A client that notes its requests."""

    def __init__(self, client):
        self._client = client
        self.requests = []  # (method, arguments)

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(**arguments):
            self.requests.append((name, arguments))
            return method(**arguments)

        return call


@pytest.fixture
def dynamodb(provisioned):
    return Counted(Clients.connect(provisioned, threads=1).dynamodb())


@pytest.fixture
def table(provisioned):
    return f"{provisioned.name_prefix}analytics"


@pytest.fixture
def worker(dynamodb, table):
    """A worker of analytics with the numbers of the map, and a backlog."""
    scope = CurrentScope(dynamodb, table, FakeClock())
    worker = Harness(
        Analytics(now=lambda: NOON),
        name="analytics",
        store=GenerationalStore(DynamoStore(dynamodb, table, clock=NOON.timestamp), scope),
        concurrency=Topology.load().services["analytics"].concurrency,
    )
    kinds = (an_order, a_payment, a_reservation, a_refund)
    for number in range(EVENTS):
        event = kinds[number % len(kinds)](order_id=f"order-{number // len(kinds)}")
        envelope = an_envelope(event, event_id=f"00000000-0000-4000-8000-{number:012}")
        worker.queue.send(envelope.encode())
    return worker


def size(item):
    """The size of an item as AWS counts it, and a little more for numbers.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name) + len(str(*value.values())) + 3 for name, value in item.items())


def write_units(requests, items):
    """A transactional write of up to 1 KiB takes two write units."""
    assert all(size(item) <= KIB for item in items)
    return 2 * sum(len(a["TransactItems"]) for name, a in requests if name != "get_item")


def test_a_backlog_takes_a_tenth_of_a_request_and_two_and_a_fifth_write_units_per_event(
    worker, dynamodb, table
):
    while len(worker.queue):
        worker.round()

    requests = Counter(name for name, _ in dynamodb.requests)
    assert requests == {"transact_write_items": EVENTS / 10, "get_item": 1}  # the generation
    assert requests.total() / EVENTS <= 0.15
    items = dynamodb.scan(TableName=table)["Items"]
    assert len([item for item in items if item["pk"]["S"].startswith("inbox#")]) == EVENTS
    assert write_units(dynamodb.requests[: requests.total()], items) / EVENTS == pytest.approx(2.2)
    counted = read_counters(dynamodb, table, hours=1, now=NOON + timedelta(minutes=1))
    quarter = EVENTS // 4
    assert {name: counted[name] for name in ("order.created", "payment.refunded")} == {
        "order.created": quarter,
        "payment.refunded": quarter,
    }
    assert counted["revenue.EUR"] == 0
