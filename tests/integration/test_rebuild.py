"""A rebuild counts every archived event once, whatever else happens to the table."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from support.builders import NOON, a_payment, a_refund, an_order, encoded

from local.archive import ensure_archive
from workers.aws import names
from workers.aws.archive import Archive
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.generations import CurrentScope, GenerationalStore
from workers.aws.sns import SnsTopic
from workers.events import decode
from workers.ops.counters import read_counters
from workers.ops.rebuild import Rebuild
from workers.runtime.handler import Handlers
from workers.services.analytics import Analytics
from workers.topology import Topology

pytestmark = pytest.mark.integration

MAP = Topology.load()


class Analysed:
    """An environment with an archive, and a worker of analytics."""

    def __init__(self, settings):
        clients = Clients.connect(settings, threads=1)
        sns = clients.sns()
        self.topic = SnsTopic(sns, names.topic_arn(sns, settings, MAP.topic))
        ensure_archive(self.topic.arn, settings.name_prefix)
        self.dynamodb, self.table = clients.dynamodb(), f"{settings.name_prefix}analytics"
        self.archive = Archive.find(clients, settings)

    def work(self, *events, scope=None):
        """Handle events, like a worker; ``scope`` is what it believes to be current."""
        scope = scope or CurrentScope(self.dynamodb, self.table)
        store = GenerationalStore(DynamoStore(self.dynamodb, self.table), scope)
        handlers = Handlers(Analytics(now=lambda: NOON))
        for event in events:
            envelope = decode(event.body)
            transaction = store.begin(envelope.key)
            handlers.handle(envelope.data, transaction)
            store.commit(transaction, [])

    def rebuild(self, meanwhile=lambda: None):
        """Rebuild; ``meanwhile`` is called between the switch and the catch-up."""
        return Rebuild(
            self.archive,
            self.dynamodb,
            self.table,
            MAP.consumers["analytics"].consumes,
            MAP.publishers,
            archive_delay=0,
            sleep=lambda _seconds: meanwhile(),
        ).run()

    def counters(self, hours=24, now=NOON):
        return read_counters(self.dynamodb, self.table, hours=hours, now=now)


@pytest.fixture
def analysed(provisioned):
    return Analysed(provisioned)


def orders(count, start=0):
    return [encoded(an_order(), event_id=f"order-{n}") for n in range(start, start + count)]


def test_figures_are_counted_again_from_nothing(analysed):
    money = [
        encoded(a_payment(amount=Decimal("10.10")), event_id="p1"),
        encoded(a_payment(amount=Decimal("0.05")), event_id="p2"),
        encoded(a_refund(amount=Decimal("3.33")), event_id="r1"),
    ]
    analysed.topic.publish([*orders(120), *money])

    result = analysed.rebuild()

    assert (result.generation, result.events, result.known) == (1, 123, 123)
    assert analysed.counters() == {
        "order.created": 120,
        "payment.completed": 2,
        "payment.refunded": 1,
        "revenue.EUR": Decimal("6.82"),
    }


def test_events_of_any_age_are_counted_and_those_of_a_foreign_source_are_not(analysed):
    """Services refuse both; the archive has all that was published."""
    ago = NOON - timedelta(days=3_650)
    old = encoded(a_payment(amount=Decimal("10.10")), event_id="p1", occurred_at=ago)
    forged = encoded(a_payment(amount=Decimal("500.00")), event_id="p2", source="analytics")
    analysed.topic.publish([old, forged])

    result = analysed.rebuild()

    assert result.events == 1
    assert analysed.counters(now=ago)["revenue.EUR"] == Decimal("10.10")
    assert "payment.completed from a stranger" in result.problems[0]


def test_an_event_that_is_archived_and_delivered_again_counts_once(analysed):
    events = orders(5)
    for _ in range(3):
        analysed.topic.publish(events)
    analysed.work(*events)

    analysed.rebuild(meanwhile=lambda: analysed.work(*events))
    analysed.work(*events)

    assert analysed.counters() == {"order.created": 5}


def test_an_event_that_a_worker_counted_in_the_old_generation_only_is_caught_up(analysed):
    analysed.topic.publish(orders(5))

    def late_worker():
        late = orders(3, start=5)
        analysed.topic.publish(late)
        analysed.work(*late, scope=lambda: "")

    analysed.rebuild(late_worker)

    assert analysed.counters() == {"order.created": 8}


def test_until_the_switch_the_old_figures_are_shown(analysed):
    analysed.topic.publish(orders(5))
    analysed.work(*orders(2))
    seen = []

    class Interrupted(Exception):
        pass

    def stop(_line):
        seen.append(analysed.counters())
        raise Interrupted

    types = MAP.consumers["analytics"].consumes
    with pytest.raises(Interrupted):
        Rebuild(
            analysed.archive,
            analysed.dynamodb,
            analysed.table,
            types,
            MAP.publishers,
            archive_delay=0,
            report=stop,
        ).run()
    assert seen == [{"order.created": 2}]
    assert analysed.counters() == {"order.created": 2}
    assert analysed.rebuild().generation == 2  # what the first left behind is not used
    assert analysed.counters() == {"order.created": 5}


def test_events_count_in_the_hour_in_which_they_occurred(analysed):
    yesterday = NOON - timedelta(days=1)
    analysed.topic.publish([encoded(event_id="old", occurred_at=yesterday), *orders(1)])

    analysed.rebuild()

    assert analysed.counters(hours=1) == {"order.created": 1}
    assert analysed.counters(hours=25) == {"order.created": 2}


def test_the_row_of_an_event_is_one_that_a_worker_finds(analysed):
    [event] = orders(1)
    analysed.topic.publish([event])
    analysed.rebuild()
    store = GenerationalStore(
        DynamoStore(analysed.dynamodb, analysed.table),
        CurrentScope(analysed.dynamodb, analysed.table),
    )
    assert store.recall(decode(event.body).key).outcomes == ()


def test_an_event_that_cannot_be_read_is_named_and_stops_nothing(analysed):
    newer = orders(1)[0].body.replace('"eventVersion":"1.1"', '"eventVersion":"2.0"')
    assert "2.0" in newer
    analysed.topic.client.publish(TopicArn=analysed.topic.arn, Message=newer)
    analysed.topic.publish(orders(1, start=1))

    result = analysed.rebuild()

    assert result.events == 1
    assert "eventVersion 2.0 is newer" in result.problems[0]


def test_a_rebuild_counts_at_least_300_events_a_second(analysed):
    analysed.topic.publish(orders(1_000))
    began = datetime.now(UTC)

    analysed.rebuild()

    # It reads everything twice.
    assert 1_000 / (datetime.now(UTC) - began).total_seconds() > 300
