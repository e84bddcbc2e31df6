"""The map and the code agree on which service consumes and publishes which events."""

import json
from importlib import resources
from typing import get_args, get_type_hints

import pytest
from support.fakes import FakeAllowance, FakeClock, FakeGateway, FakeMailer

from workers.events import CATALOGUE
from workers.runtime.handler import Handlers
from workers.services.analytics import Analytics
from workers.services.inventory import Inventory
from workers.services.notification import Notification
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payment
from workers.topology import Topology, TopologyError

NOW = FakeClock().now
SERVICES = {
    "orders": Orders(NOW),
    "payment": Payment(FakeGateway()),
    "inventory": Inventory(),
    "notification": Notification(FakeMailer(), FakeAllowance(), "operations@example.com", NOW),
    "analytics": Analytics(NOW),
}
TOPOLOGY = Topology.load()


def test_every_consumer_in_the_map_is_a_service():
    assert SERVICES.keys() == TOPOLOGY.consumers.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_consumes_the_events_in_the_map(name):
    assert Handlers(SERVICES[name]).consumes == TOPOLOGY.services[name].consumes


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_publishes_the_events_in_the_map(name):
    assert Handlers(SERVICES[name]).publishes == TOPOLOGY.services[name].publishes


@pytest.mark.parametrize("name", ["order-api", "relay"])
def test_the_desks_events_are_published_by_the_api_and_by_the_relay(name):
    returned = {
        event
        for action, method in vars(OrderCommands).items()
        if action in ("place", "cancel", "refund", "ship")
        for event in _alternatives(get_type_hints(method)["return"])
    }

    assert {event.type for event in returned} == TOPOLOGY.services[name].publishes


def test_the_map_lists_every_event_in_the_catalogue():
    assert TOPOLOGY.events == CATALOGUE.keys()


def test_only_the_service_that_gets_a_mailer_may_send_mail():
    assert {name for name, each in TOPOLOGY.services.items() if each.sends_email} == {
        name
        for name, each in SERVICES.items()
        if isinstance(getattr(each, "mailer", None), FakeMailer)
    }


def test_every_event_in_the_catalogue_is_published_and_consumed():
    services = TOPOLOGY.services.values()

    assert frozenset().union(*(service.publishes for service in services)) == CATALOGUE.keys()
    assert frozenset().union(*(service.consumes for service in services)) == CATALOGUE.keys()


@pytest.mark.parametrize("event", CATALOGUE)
def test_an_event_without_a_publisher_is_refused_with_its_consumers_name(event):
    topology = json.loads(resources.files("workers").joinpath("topology.json").read_text("utf-8"))
    for service in topology["services"].values():
        service["publishes"] = [other for other in service["publishes"] if other != event]

    with pytest.raises(TopologyError) as refusal:
        Topology.parse(json.dumps(topology))

    text = str(refusal.value)
    assert f"no service publishes {event}" in text
    assert any(f"{name}: no service" in text for name in SERVICES)


def test_services_that_share_an_outbox_share_its_table():
    outboxes = {name for name, table in TOPOLOGY.tables.items() if table.outbox}

    assert {TOPOLOGY.services[name].table for name in ("order-api", "relay")} == outboxes


def _alternatives(hint):
    return get_args(hint) or (hint,)
