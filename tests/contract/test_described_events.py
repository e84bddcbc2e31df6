"""The documents say of each event who owns, publishes and consumes it, and what it means."""

import json
import re
from datetime import date
from html.parser import HTMLParser
from typing import Annotated, ClassVar

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import AfterValidator, ConfigDict, Field
from support.json_paths import paths

from workers.deprecation import deprecated
from workers.envelope import Envelope
from workers.events import CATALOGUE, OrderEvent, Text, decode
from workers.ops import asyncapi
from workers.ops.contracts import examples
from workers.ops.contracts.page import page
from workers.ops.schema import contract, schema_of
from workers.topology import Topology

TOPOLOGY = Topology.load()
DOCUMENT = asyncapi.document(TOPOLOGY)
MESSAGES = DOCUMENT["components"]["messages"]
CONTRACT = contract()
GONE = deprecated(
    since="1.1", removed_not_before=date(2027, 6, 1), instead="parcel.sent & its <number>"
)


class Parcel(OrderEvent):
    """A parcel."""

    model_config = ConfigDict(json_schema_extra=GONE)
    type: ClassVar[str] = "order.shipped"

    note: Text | None = Field(default=None, description="A note.", json_schema_extra=GONE)


@pytest.fixture
def with_a_deprecated_event(monkeypatch):
    """Describe a catalogue in which order.shipped, and its note, are deprecated."""
    catalogue = CATALOGUE | {Parcel.type: Parcel}
    monkeypatch.setitem(examples.EXAMPLES, Parcel.type, Parcel(order_id="order-1", note="a note"))
    monkeypatch.setattr(asyncapi, "CATALOGUE", catalogue)
    document = asyncapi.document(TOPOLOGY)
    return document["components"]["messages"][Parcel.type], page(document, contract(catalogue))


class Page(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.links, self.ids, self.text = [], [], [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.links += [found[name] for name in ("href", "src", "action") if name in found]
        self.ids += [found["id"]] if "id" in found else []

    def handle_data(self, data):
        self.text += data


def examples_of(event_type):
    return [example["payload"] for example in MESSAGES[event_type]["examples"]]


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_an_event_has_one_owner_who_publishes_it(event_type):
    publish = {n: s.owner for n, s in TOPOLOGY.services.items() if event_type in s.publishes}

    assert MESSAGES[event_type]["x-producers"] == sorted(publish)
    assert {MESSAGES[event_type]["x-owner"]} == set(publish.values())


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_the_consumers_of_an_event_are_those_on_the_map(event_type):
    consume = {n for n, s in TOPOLOGY.services.items() if event_type in s.consumes}

    assert consume
    assert MESSAGES[event_type]["x-consumers"] == sorted(consume)


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_an_example_matches_its_schema_and_is_read(event_type):
    validator = Draft202012Validator(
        schema_of(CATALOGUE[event_type]), format_checker=FormatChecker()
    )
    for example in examples_of(event_type):
        validator.validate(example)
        assert decode(json.dumps(example)).data == examples.EXAMPLES[event_type]
    assert examples_of(event_type)


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_an_example_has_every_field_of_its_event(event_type):
    (example,) = examples_of(event_type)
    wanted = {path for path in CONTRACT.events[event_type].fields if path.startswith("data.")}

    assert set(paths(example["data"], "data")) - {"data"} == wanted


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_an_example_comes_from_a_publisher_on_the_map(event_type):
    for example in examples_of(event_type):
        assert example["source"] in MESSAGES[event_type]["x-producers"]


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_an_event_and_all_its_fields_have_a_meaning(event_type):
    event = CONTRACT.events[event_type]
    without = [path for path, field in event.fields.items() if not field.meaning]

    assert event.meaning
    assert without == ["", "data"]  # described as the event


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_an_event_has_no_rule_that_its_schema_cannot_express(event_type):
    """Validators in code would be compared by nobody."""
    assert [kind for kind in kinds(CATALOGUE[event_type]) if kind.startswith("function")] == []


def test_a_rule_in_code_would_be_noticed():
    class Checked(Parcel):
        note: Annotated[str, AfterValidator(str.upper)]

    assert "function-after" in list(kinds(Checked))


def kinds(model):
    """Yield the kinds of all validators of an event."""
    found = [Envelope[model].__pydantic_core_schema__]
    for node in found:
        inner = node.values() if isinstance(node, dict) else node
        if isinstance(node, dict) and isinstance(node.get("type"), str):
            yield node["type"]
        found += [each for each in inner if isinstance(each, dict | list | tuple)]


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_every_field_of_an_event_is_bounded_and_takes_no_control_characters(event_type):
    fields = CONTRACT.events[event_type].fields

    assert [path for path, field in fields.items() if not bounded(field.rules)] == []


def bounded(rules):
    """Tell whether a rule limits every value of a field."""
    if {"const", "enum"} & rules.keys() or rules.get("format") == "date-time":
        return True
    match rules.get("type"):
        case "object":
            return True
        case "array":
            return "maxItems" in rules
        case "integer":
            return {"minimum", "maximum"} <= rules.keys()
        case "string":
            pattern = rules.get("pattern", ".*")
            finite = "maxLength" in rules or not re.search(r"[*+]|,}", pattern)
            texts = [f"a{c}{end}" for c in "\x00\n\x1f\x7f" for end in ("a", "@a")]
            return finite and not any(re.search(pattern, text) for text in texts)
    return False


@pytest.mark.parametrize(
    "rules",
    [
        {"type": "integer", "minimum": 0},
        {"type": "array"},
        {"type": "string", "maxLength": 5},
        {"type": "string", "pattern": "^[a-z]+$"},
        {"type": "string", "maxLength": 5, "pattern": "^[^ ]+$"},
        {"type": "number"},
    ],
)
def test_a_field_without_a_bound_would_be_noticed(rules):
    assert not bounded(rules)


def test_the_page_shows_every_event_with_its_parties_fields_and_example():
    shown = Page(page(DOCUMENT, CONTRACT))

    for name, event in CONTRACT.events.items():
        message = MESSAGES[name]
        told = (
            f"Owner: {message['x-owner']}. Published by {', '.join(message['x-producers'])}. "
            f"Consumed by {', '.join(message['x-consumers'])}."
        )
        assert name in shown.ids
        assert f"#{name}" in shown.links
        assert told in shown.text
        assert event.meaning.replace("``", "") in shown.text
        assert json.dumps(message["examples"][0]["payload"], indent=2) in shown.text
        assert [path for path in event.fields if path not in shown.text] == []


def test_the_page_fetches_nothing_and_runs_nothing():
    source = page(DOCUMENT, CONTRACT)
    shown = Page(source)

    assert [link for link in shown.links if not link.startswith("#")] == []
    assert not {"script", "link", "img", "iframe"} & set(shown.tags)
    assert "url(" not in source
    assert "@import" not in source


def test_the_documents_show_what_is_deprecated(with_a_deprecated_event):
    message, source = with_a_deprecated_event
    told = (
        "Deprecated since 1.1, removed not before 2027-06-01. Instead: parcel.sent & its <number>"
    )

    assert message["tags"] == [{"name": "deprecated"}]
    assert message["x-deprecation"] == GONE["x-deprecation"]
    assert Page(source).text.count(told) == 2  # the event and its field
    note = schema_of(Parcel)["$defs"]["Parcel"]["properties"]["note"]
    assert note["deprecated"] is True
    assert note["x-deprecation"] == GONE["x-deprecation"]


def test_no_deprecation_is_shown_where_there_is_none():
    assert "Deprecated since" not in page(DOCUMENT, CONTRACT)
    assert [name for name, message in MESSAGES.items() if "x-deprecation" in message] == []
