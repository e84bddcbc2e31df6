"""The map is read unchanged, and refused with a message for each rule it breaks."""

import json
from copy import deepcopy
from importlib import resources

import pytest
from support.broken_maps import SMALL, broken_maps

from workers.topology import Service, Topology, TopologyError, dlq_name, queue_name
from workers.topology_rules import MAP_RULES, SERVICE_RULES


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


def test_queues_are_named_after_their_service():
    assert (queue_name("payment"), dlq_name("payment")) == ("payment-queue", "payment-queue-dlq")


def test_the_small_map_breaks_no_rule():
    assert Topology.parse(json.dumps(SMALL)).consumers.keys() == {"payment"}


@pytest.mark.parametrize(
    ("topology", "sentence"), [pytest.param(*rest, id=rule) for rule, *rest in broken_maps()]
)
def test_a_broken_rule_is_named_with_its_service(topology, sentence):
    with pytest.raises(TopologyError) as refusal:
        Topology.parse(json.dumps(topology))

    assert str(refusal.value) == f"topology.json: {sentence}"


@pytest.mark.parametrize("service", Topology.load().services)
def test_the_map_that_ships_states_every_field_of_every_service(service):
    shipped = json.loads(resources.files("workers").joinpath("topology.json").read_text("utf-8"))

    assert shipped["services"][service].keys() == Service.model_fields.keys()


def test_no_field_of_a_service_has_a_default_in_the_code():
    assert all(field.is_required() for field in Service.model_fields.values())


def test_every_rule_has_a_map_that_breaks_it():
    assert {rule for rule, _, _ in broken_maps()} == {*MAP_RULES, *SERVICE_RULES, "object"}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}"])
def test_a_file_without_a_map_is_refused(text):
    with pytest.raises(TopologyError, match=r"^topology\.json: "):
        Topology.parse(text)


def test_every_broken_rule_is_named_at_once():
    broken = deepcopy(SMALL)
    broken["services"]["payment"] |= {"concurrency": 0, "max_attempts": 0}

    with pytest.raises(TopologyError, match=r"max_attempts.*concurrency"):
        Topology.parse(json.dumps(broken))


def test_names_on_a_fifo_map_end_in_the_suffix(monkeypatch):
    monkeypatch.setenv("FIFO", "true")
    topology = Topology.load()

    assert topology.topic_name == "order-events.fifo"
    assert topology.queue_name("payment") == "payment-queue.fifo"
    assert topology.dlq_name("payment") == "payment-queue-dlq.fifo"
    assert topology.undelivered_name("payment") == "payment-queue-undelivered.fifo"


def test_without_fifo_names_are_as_they_were():
    topology = Topology.parse(json.dumps(SMALL))

    assert not topology.fifo
    assert topology.topic_name == topology.topic
    assert topology.queue_name("payment") == queue_name("payment")
    assert topology.dlq_name("payment") == dlq_name("payment")


def test_the_variable_takes_the_place_of_the_field_and_nothing_else_is_accepted(monkeypatch):
    monkeypatch.setenv("FIFO", "yes")
    with pytest.raises(TopologyError, match="FIFO is 'yes', not true or false"):
        Topology.load()
