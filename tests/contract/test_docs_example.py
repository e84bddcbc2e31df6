"""The consumer that the documents add works as printed."""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from support.builders import a_confirmation
from support.fakes import FakeStore

from workers import events
from workers.runtime.handler import Handlers
from workers.topology import Topology

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGE = (ROOT / "docs/CONSUMERS.md").read_text("utf-8")
MAP = json.loads((ROOT / "workers/topology.json").read_text("utf-8"))


def block(language, text):
    """Give the block of a language that contains a text."""
    (found,) = (b for b in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if text in b)
    return found


def loaded(name, source, directory):
    path = directory / f"{name}.py"
    path.write_text(source)
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Carrier:
    """Remembers by which key a parcel was booked."""

    def __init__(self):
        self.booked = {}

    def book(self, order_id, *, idempotency_key):
        return self.booked.setdefault(idempotency_key, f"parcel-of-{order_id}")


@pytest.fixture
def shipping(tmp_path, monkeypatch):
    """Load the service that the page prints, next to the event that it prints."""
    imports = (
        "from typing import ClassVar\nfrom workers.events import *\nfrom workers.events import Id\n"
    )
    parcel_booked = loaded("parcel", imports + block("python", "class ParcelBooked"), tmp_path)
    monkeypatch.setattr(events, "ParcelBooked", parcel_booked.ParcelBooked, raising=False)
    return loaded("shipping", block("python", "class Shipping"), tmp_path)


@pytest.fixture
def added():
    """Give the entry that the page adds to the map."""
    return json.loads("{" + block("json", "shipping") + "}")


def test_the_readme_shows_the_service_of_the_page():
    (handler,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    assert handler in block("python", "class Shipping")
    assert len(handler.splitlines()) == 12


def test_a_redelivered_order_is_booked_once(shipping):
    carrier, store, order = Carrier(), FakeStore(), a_confirmation()
    handlers = Handlers(shipping.Shipping(carrier))

    for _ in range(2):
        tx = store.begin("orders#1")
        outcomes = handlers.handle(order, tx)
        store.commit(tx, ())

    assert [(o.order_id, o.number) for o in outcomes] == [("order-1", "parcel-of-order-1")]
    assert carrier.booked == {"book-order-1": "parcel-of-order-1"}
    assert store.documents["parcels"] == {"booked": 1}


def test_its_signature_is_its_entry_on_the_map(shipping, added):
    handlers = Handlers(shipping.Shipping(Carrier()))

    assert handlers.consumes == set(added["shipping"]["consumes"])
    assert handlers.publishes == set(added["shipping"]["publishes"])


def test_the_map_accepts_the_entry(added):
    grown = MAP | {
        "events": [*MAP["events"], "parcel.booked"],
        "tables": MAP["tables"] | {"shipping": {"outbox": False}},
        "services": MAP["services"] | added,
    }

    assert Topology.parse(json.dumps(grown)).services.keys() == {*MAP["services"], "shipping"}
