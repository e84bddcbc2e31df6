"""The story of one order is read from the rows that its services left."""

import json

import pytest
from support.shop import Shop
from typer.testing import CliRunner

from workers import cli
from workers.aws.generations import use_generation
from workers.ops.trace import Tracer
from workers.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(provisioned):
    return Shop(provisioned)


@pytest.fixture
def trace(shop):
    return Tracer(shop.dynamodb, Settings(name_prefix=shop.prefix), shop.topology).trace


@pytest.fixture
def workers(shop, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", shop.prefix)

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli.build(), arguments)
        assert result.exit_code == code, result.output
        return result.output if code else result.stdout

    return run


def deliveries(story):
    return {
        (event.event_type, delivery.service): delivery
        for event in story.events
        for delivery in event.deliveries
    }


def test_a_confirmed_order_has_four_events_twelve_deliveries_and_nothing_missing(shop, trace):
    order_id = shop.confirmed()

    story = trace(order_id)

    assert story.events[0].event_type == "order.created"
    assert {event.event_type for event in story.events} == {
        "order.created",
        "payment.completed",
        "inventory.reserved",
        "order.confirmed",
    }
    found = deliveries(story)
    assert len(found) == 12
    assert {each.state for each in found.values()} == {"handled"}
    assert all(each.worker == f"{each.service}-1" for each in found.values())
    assert (story.state, story.missing, story.settled) == ("confirmed", (), True)
    assert [mail.kind for mail in story.mails] == ["order-confirmation"]


def test_a_story_is_found_by_the_correlation_id_too(shop, trace):
    order_id = shop.confirmed()
    story = trace(order_id)

    assert trace(story.correlation_id) == story
    shop.remove("orders", f"outbox#{story.correlation_id}")
    assert trace(story.correlation_id).order_id == order_id
    assert trace("nobody") is None


def test_after_a_rebuild_analytics_is_asked_in_its_new_inbox(shop, trace):
    order_id = shop.confirmed()
    use_generation(shop.dynamodb, shop.table("analytics"), 1)
    assert {each.state for each in of_analytics(trace(order_id))} == {"missing"}

    for key in shop.keys("analytics", "inbox#"):
        row = shop.row("analytics", key)
        row["pk"] = {"S": key.replace("inbox#", "inbox#g1#")}
        shop.dynamodb.put_item(TableName=shop.table("analytics"), Item=row)

    assert {each.state for each in of_analytics(trace(order_id))} == {"handled"}


def of_analytics(story):
    return [each for (_, name), each in deliveries(story).items() if name == "analytics"]


def test_requests_of_customers_are_part_of_the_story(shop, trace):
    order_id = shop.confirmed()
    shop.ask("ship", order_id)
    shop.ask("refund", order_id, "it is broken")
    shop.deliver()

    story = trace(order_id)

    own = [event.event_type for event in story.events if event.source == "order-api"]
    assert own == ["order.created", "order.shipped", "order.refunded"]
    assert deliveries(story)["order.shipped", "inventory"].state == "handled"
    assert (story.state, story.settled, story.unknown) == ("refunded", True, ())


def test_what_a_service_has_not_received_is_missing(shop, trace):
    order_id = shop.place()
    shop.deliver(but=["notification"])

    story = trace(order_id)

    assert deliveries(story)["order.created", "notification"].state == "missing"
    assert "order.created is not received yet by notification" in story.missing[0]
    assert not story.settled


def test_an_event_in_the_outbox_is_not_missing_anywhere_else(shop, trace):
    order_id = shop.place()
    event_id = trace(order_id).correlation_id
    shop.change(
        "orders",
        f"outbox#{event_id}",
        outboxShard="1",
        outboxOrder=f"2026-01-02T12:00:00+00:00#{event_id}",
    )

    (missing,) = trace(order_id).missing
    assert missing.startswith("order.created is not published yet")

    shop.change("orders", f"outbox#{event_id}", outboxShard="stuck", stuckReason="too large")
    (missing,) = trace(order_id).missing
    assert "set aside: too large" in missing


def test_an_order_of_an_earlier_version_is_read_as_far_as_it_goes(shop, trace):
    order_id = shop.confirmed()
    shop.ask("ship", order_id)
    shop.deliver()
    history = shop.order(order_id)["history"]["L"]
    for entry in history:
        del entry["M"]["eventId"]
    shop.dynamodb.update_item(
        TableName=shop.table("orders"),
        Key={"pk": {"S": f"order#{order_id}"}},
        UpdateExpression="SET history = :history",
        ExpressionAttributeValues={":history": {"L": history}},
    )

    story = trace(order_id)

    assert len(deliveries(story)) == 12
    (unknown,) = story.unknown
    assert "order.shipped" in unknown


def test_the_story_of_a_redriven_order(shop, trace, workers):
    """It fails three times, is dead-lettered, redriven, and confirmed."""
    order_id = shop.place()
    shop.deliver(but=["payment"])
    ((_, created),) = shop.waiting
    shop.fail("payment", created, "retried", receive_count=1)
    (retrying,) = trace(order_id).missing
    assert "payment failed at order.created and tries again" in retrying
    shop.fail("payment", created, "retried", receive_count=2)
    shop.fail("payment", created, "dead_lettered", receive_count=3)

    (given_up,) = trace(order_id).missing
    assert "payment gave up on order.created (transient: the gateway is closed)" in given_up
    assert "workers dlq list payment" in given_up

    shop.deliver()
    story = trace(order_id)
    assert (story.state, story.settled) == ("confirmed", True)
    payment = deliveries(story)["order.created", "payment"]
    assert payment.state == "handled"
    assert [attempt.outcome for attempt in payment.attempts] == [
        "retried",
        "retried",
        "dead_lettered",
    ]

    shown = workers("trace", order_id)
    failed = [line for line in shown.splitlines() if "payment failed at order.created" in line]
    assert len(failed) == 3
    assert shown.index("payment failed") < shown.index("payment handled order.created")
    assert "nothing is missing" in shown
    assert json.loads(workers("trace", order_id, "--json"))["settled"] is True


def test_an_unknown_id_is_a_usage_error(workers):
    assert "no order and no first event" in workers("trace", "nobody", code=2)


def test_after_a_rebuild_analytics_is_looked_up_in_the_generation_in_use(shop, trace):
    order_id = shop.confirmed()
    use_generation(shop.dynamodb, shop.table("analytics"), 1)

    missing = (
        Tracer(shop.dynamodb, Settings(name_prefix=shop.prefix), shop.topology)
        .trace(order_id)
        .missing
    )
    assert len(missing) == 4
    assert all("analytics" in text for text in missing)

    for event in trace(order_id).events:
        key = f"{event.source}#{event.event_id}"
        shop.dynamodb.put_item(
            TableName=shop.table("analytics"),
            Item={"pk": {"S": f"inbox#g1#{key}"}, "outcomes": {"L": []}},
        )
    assert trace(order_id).missing == ()
