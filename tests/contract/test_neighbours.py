"""Consumers of this version read events of the last and of the next one, to the same effect.

``golden`` has the events of version 1.0, a folder in it those that a later version changed, and
``golden/1.99`` events of a version to come, with unknown fields at every depth. A story runs a
service on the events of this version; then again with one event of another version in its place.
"""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from support.fakes import FakeAllowance, FakeClock, FakeGateway, FakeMailer, FakeStore
from support.json_paths import paths

from workers.envelope import MINOR_VERSION
from workers.events import CATALOGUE, decode
from workers.ops.contracts.contract import Contract
from workers.runtime.errors import Conflict
from workers.runtime.handler import Handlers
from workers.services.analytics import Analytics
from workers.services.inventory import Inventory
from workers.services.notification import Notification
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payment
from workers.topology import Topology

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "contract" / "golden"
LAST, THIS, NEXT = MINOR_VERSION - 1, MINOR_VERSION, 99
CONTRACTS = {
    minor: Contract.parse((ROOT / f"contracts/1.{minor}.json").read_text("utf-8"), minor).events
    for minor in (LAST, THIS)
}
CONSUMERS = {name: sorted(each.consumes) for name, each in Topology.load().consumers.items()}
# A consumer passes a new field on, so an event without it leads to rows and events without.
ADDED = {
    path.rpartition(".")[2]
    for name, event in CONTRACTS[THIS].items()
    for path in event.fields
    if name in CONTRACTS[LAST] and path not in CONTRACTS[LAST][name].fields
} | {"payers"}

# The events that have to come first, so that an event has an effect.
BEFORE = {
    "order.cancelled": ["order.created"],
    "order.refunded": ["order.created"],
    "order.shipped": ["order.created"],
    "payment.refunded": ["payment.completed", "inventory.failed"],
    "inventory.released": ["inventory.reserved", "payment.failed"],
}
WITHOUT_EFFECT = {
    ("notification", event)
    for event in (
        "order.created",
        "payment.completed",
        "payment.failed",
        "payment.refunded",  # of an order that was not shipped
        "inventory.failed",
        "inventory.released",
        "inventory.reserved",
    )
}
PAIRS = [(service, event) for service, events in CONSUMERS.items() for event in events]
REPLACED = [
    pytest.param(*pair, minor, id=f"{pair[0]} reads {pair[1]} of {name}")
    for pair in PAIRS
    for name, minor in (("the last version", LAST), ("the next version", NEXT))
    if minor == NEXT or pair[1] in CONTRACTS[LAST]
]


class World:
    """A service with everything that it changes: its table, its mails, its charges."""

    def __init__(self, name):
        self.store, self.gateway, self.mailer = FakeStore(), FakeGateway(), FakeMailer()
        clock = FakeClock().now
        self.outcomes = []
        self.service = {
            "orders": lambda: Orders(now=clock),
            "payment": lambda: Payment(self.gateway),
            "inventory": Inventory,
            "notification": lambda: Notification(
                self.mailer, FakeAllowance(), "operations@example.com", clock
            ),
            "analytics": lambda: Analytics(now=clock, choose=lambda _: 0),
        }[name]()
        if name == "orders":
            self.place()
        if name == "inventory":
            for sku in ("TEA-GREEN-250", "cup.blue"):
                stock = {"available": 9, "reserved": 0, "reorderThreshold": 7}
                self.store.seed(f"stock#{sku}", stock)

    def place(self):
        order = decode(body("order.created")).data
        tx = self.store.begin("placed")
        OrderCommands(now=FakeClock().now).place(
            order.order_id,
            order.customer_email,
            order.items,
            order.currency,
            tx,
            customer_id=order.customer_id,
            correlation_id="event-1",
        )
        self.store.commit(tx, ())

    def handle(self, text):
        """Handle a message; return whether it changed anything."""
        before = self.effects()
        envelope = decode(text)
        key, optimistic = f"{envelope.key}#{len(self.store.records)}", True
        while True:
            tx = self.store.begin(key, optimistic=optimistic)
            outcomes = Handlers(self.service).handle(envelope.data, tx)
            try:
                self.store.commit(tx, ())
            except Conflict:
                optimistic = False
                continue
            break
        self.outcomes += [
            json.loads(envelope.then(outcome, source="test").encode())["data"]
            | {"type": outcome.type}
            for outcome in outcomes
        ]
        return self.effects() != before

    def effects(self):
        return deepcopy(
            {
                "rows": self.store.documents,
                "outcomes": self.outcomes,
                "mails": self.mailer.sent,
                "charged": self.gateway.charged,
                "refunded": self.gateway.refunded,
                "payers": self.gateway.payers,
            }
        )


def body(event_type, minor=THIS):
    """Return a golden event of a version, or of the latest before it that changed the event."""
    folders = (GOLDEN / f"1.{each}" if each else GOLDEN for each in range(minor, -1, -1))
    paths = (folder / f"{event_type}.json" for folder in folders)
    return next(path for path in paths if path.exists()).read_text("utf-8")


def story(service, event_type):
    return [e for e in BEFORE.get(event_type, ()) if e in CONSUMERS[service]] + [event_type]


def told(value):
    """Return a value without what this version added."""
    match value:
        case dict():
            return {name: told(inner) for name, inner in value.items() if name not in ADDED}
        case list() | tuple():
            return [told(inner) for inner in value]
    return value


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_the_golden_event_of_this_version_has_every_field(event_type):
    """Otherwise there would be nothing that the last version lacks."""
    wanted = {path for path in CONTRACTS[THIS][event_type].fields if path.startswith("data.")}

    assert set(paths(json.loads(body(event_type))["data"], "data")) - {"data"} == wanted


def test_this_version_differs_from_the_last_one():
    assert any(body(event_type) != body(event_type, LAST) for event_type in CONTRACTS[LAST])


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_an_event_of_the_next_version_has_unknown_fields_at_every_depth(event_type):
    """Otherwise the tests below would show nothing."""
    event = CATALOGUE[event_type]
    known = json.loads(decode(body(event_type, NEXT)).encode())
    objects = list(unknown(json.loads(body(event_type, NEXT)), known))

    assert all(objects)
    assert len(objects) >= (2 if "items" not in event.model_fields else 3)


def unknown(value, known):
    """Yield for each object that is read the number of its fields that are not."""
    if isinstance(known, dict):
        yield len(value.keys() - known.keys())
        for name, inner in known.items():
            yield from unknown(value[name], inner)
    if isinstance(known, list):
        for one, inner in zip(value, known, strict=True):
            yield from unknown(one, inner)


@pytest.mark.parametrize(("service", "event_type"), PAIRS)
def test_the_last_event_of_a_story_has_an_effect(service, event_type):
    world = World(service)
    *first, last = story(service, event_type)
    for each in first:
        world.handle(body(each))

    assert world.handle(body(last)) == ((service, event_type) not in WITHOUT_EFFECT)


@pytest.mark.parametrize(("service", "event_type", "minor"), REPLACED)
def test_a_consumer_acts_as_on_an_event_of_its_own_version(service, event_type, minor):
    ours, theirs = World(service), World(service)
    for each in story(service, event_type):
        ours.handle(body(each))
        theirs.handle(body(each, minor if each == event_type else THIS))

    if minor == LAST:
        assert told(theirs.effects()) == told(ours.effects())
    else:
        assert theirs.effects() == ours.effects()
