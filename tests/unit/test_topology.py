"""The map is read as it is, and refused with the rule it breaks."""

import json
from copy import deepcopy

import pytest

from workers.topology import Topology, TopologyError, dlq_name, queue_name

SMALL = {
    "topic": "order-events",
    "tables": {"orders": {"outbox": True}},
    "services": {
        "order-api": {"consumes": [], "publishes": ["order.created"], "table": "orders"},
        "payment": {"consumes": ["order.created"], "publishes": [], "table": "orders"},
    },
}


def test_the_map_that_ships_is_read():
    topology = Topology.load()

    assert topology.topic == "order-events"
    assert set(topology.consumers) == {
        "orders",
        "payment",
        "inventory",
        "notification",
        "analytics",
    }


def test_sqs_gives_up_later_than_the_worker():
    service = Topology.load().services["payment"]

    assert (service.max_attempts, service.max_receive_count) == (3, 5)


def test_queues_are_named_after_their_service():
    assert (queue_name("payment"), dlq_name("payment")) == ("payment-queue", "payment-queue-dlq")


def test_what_a_service_does_not_say_has_a_default():
    service = Topology.parse(json.dumps(SMALL)).services["payment"]

    assert (service.visibility_timeout, service.max_attempts, service.concurrency) == (60, 3, 10)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("consumes", ["order.eaten"], "payment: unknown event order.eaten"),
        ("publishes", ["order.eaten"], "payment: unknown event order.eaten"),
        ("consumes", ["order.shipped"], "payment: nobody publishes order.shipped"),
        ("table", "nowhere", "payment: table nowhere is not in tables"),
        ("visibility_timeout", 29, "services.payment.visibility_timeout: .*equal to 30"),
        ("visibility_timeout", 43_201, "services.payment.visibility_timeout: .*equal to 43200"),
        ("max_attempts", 0, "services.payment.max_attempts: .*equal to 1"),
        ("concurrency", 0, "services.payment.concurrency: .*equal to 1"),
        ("retries", 1, "services.payment.retries: Extra inputs"),
    ],
)
def test_a_broken_rule_is_named_with_its_service(field, value, rule):
    broken = deepcopy(SMALL)
    broken["services"]["payment"][field] = value

    with pytest.raises(TopologyError, match=f"^topology.json: .*{rule}"):
        Topology.parse(json.dumps(broken))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}"])
def test_a_file_that_is_no_map_is_refused(text):
    with pytest.raises(TopologyError, match=r"^topology\.json: "):
        Topology.parse(text)


def test_every_broken_rule_is_named_at_once():
    broken = deepcopy(SMALL)
    broken["services"]["payment"] |= {"concurrency": 0, "max_attempts": 0}

    with pytest.raises(TopologyError, match=r"max_attempts.*concurrency"):
        Topology.parse(json.dumps(broken))
