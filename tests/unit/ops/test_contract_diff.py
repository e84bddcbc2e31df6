"""A change of an event is compatible with all that was released, or breaks somebody."""

import copy
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from pydantic import ConfigDict, Field, StringConstraints, create_model

from workers.deprecation import deprecated, reworded
from workers.envelope import Event, Value
from workers.events import CATALOGUE
from workers.ops.contracts.contract import Contract
from workers.ops.contracts.diff import changes
from workers.ops.schema import contract, schema_of

TODAY = date(2026, 6, 1)
TEXT = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern="^[a-z]+$")]


def an_event(type_="parcel.sent", doc="A parcel was sent.", extra=None, **fields):
    """Build a class of events; each field is (type, Field) or a type."""
    config = {"model_config": ConfigDict(json_schema_extra=extra)} if extra else {}
    base = type("Base", (Event,), {"__module__": __name__, "type": type_, **config})
    return create_model(
        "Sent",
        __base__=base,
        __doc__=doc,
        **{n: f if isinstance(f, tuple) else (f, ...) for n, f in fields.items()},
    )


def a_contract(*events, version="1.2"):
    return contract({event.type: event for event in events}, version)


def compare(before, after, *, today=TODAY):
    """Compare two events as contracts 1.1 and 1.2."""
    return changes(
        [a_contract(before, version="1.1")] if before else [a_contract(version="1.1")],
        a_contract(after) if after else a_contract(),
        today=today,
    )


def told(found):
    return [(each.field, each.what.change, each.what.breaking) for each in found]


def optional(type_, **more):
    return (type_ | None, Field(default=None, **more))


class Line(Value):
    """A line."""

    sku: TEXT


class WiderLine(Value):
    """A line."""

    sku: TEXT
    note: TEXT | None = None


class StricterLine(Value):
    """A line."""

    sku: TEXT
    note: TEXT


NUMBER = Annotated[int, Field(ge=1, le=10)]
MONEY = Annotated[Decimal, Field(ge=0, le=Decimal("99.99"), decimal_places=2)]

WIDER = "(wider: old consumers refuse the new values)"
NARROWER = "(narrower: new consumers refuse stored events)"
OTHER = "(other values: old and new consumers refuse each other's)"

BREAKING = {
    "a field is removed": (TEXT, None, "removed"),
    "an optional field is removed": (optional(TEXT), None, "removed"),
    "a required field is new": (None, TEXT, "new required field"),
    "an optional field becomes required": (
        (TEXT, "x"),
        TEXT,
        "optional became required",
    ),
    "a required field becomes optional": (TEXT, (TEXT, "x"), "required became optional"),
    "null becomes possible": (
        (TEXT, None),
        optional(TEXT),
        f"nullable none became True {WIDER}",
    ),
    "null becomes impossible": (
        optional(TEXT),
        (TEXT, None),
        f"nullable True became none {NARROWER}",
    ),
    "the type changes": (TEXT, int, "type string became integer"),
    "a choice is added": (
        Literal["a", "b"],
        Literal["a", "b", "c"],
        f"enum ['a', 'b'] became ['a', 'b', 'c'] {WIDER}",
    ),
    "a choice is removed": (
        Literal["a", "b", "c"],
        Literal["a", "b"],
        f"enum ['a', 'b', 'c'] became ['a', 'b'] {NARROWER}",
    ),
    "a choice is replaced": (
        Literal["a", "b"],
        Literal["a", "c"],
        f"enum ['a', 'b'] became ['a', 'c'] {OTHER}",
    ),
    "a string becomes shorter": (
        TEXT,
        Annotated[str, StringConstraints(min_length=1, max_length=19, pattern="^[a-z]+$")],
        f"maxLength 20 became 19 {NARROWER}",
    ),
    "a string becomes longer": (
        TEXT,
        Annotated[str, StringConstraints(min_length=1, max_length=21, pattern="^[a-z]+$")],
        f"maxLength 20 became 21 {WIDER}",
    ),
    "a string may be empty": (
        TEXT,
        Annotated[str, StringConstraints(min_length=0, max_length=20, pattern="^[a-z]+$")],
        f"minLength 1 became 0 {WIDER}",
    ),
    "a pattern changes": (
        TEXT,
        Annotated[str, StringConstraints(min_length=1, max_length=20, pattern="^[a-z0-9]+$")],
        f"pattern ^[a-z]+$ became ^[a-z0-9]+$ {OTHER}",
    ),
    "a limit disappears": (
        Annotated[str, StringConstraints(max_length=20)],
        str,
        f"maxLength 20 became none {WIDER}",
    ),
    "a limit appears": (
        str,
        Annotated[str, StringConstraints(max_length=20)],
        f"maxLength none became 20 {NARROWER}",
    ),
    "a number may be larger": (
        NUMBER,
        Annotated[int, Field(ge=1, le=11)],
        f"maximum 10 became 11 {WIDER}",
    ),
    "a number may not be as small": (
        NUMBER,
        Annotated[int, Field(ge=2, le=10)],
        f"minimum 1 became 2 {NARROWER}",
    ),
    "an amount has another limit of as many digits": (
        MONEY,
        Annotated[Decimal, Field(ge=0, le=Decimal("50.00"), decimal_places=2)],
        f"x-le 99.99 became 50.00 {OTHER}",
    ),
    "a list may be longer": (
        Annotated[tuple[TEXT, ...], Field(max_length=5)],
        Annotated[tuple[TEXT, ...], Field(max_length=6)],
        f"maxItems 5 became 6 {WIDER}",
    ),
    "the default is another": (
        (TEXT, "a"),
        (TEXT, "b"),
        "default a became b",
    ),
    "the description changes": (
        (TEXT, Field(description="Net.")),
        (TEXT, Field(description="Gross.")),
        "the description changed",
    ),
    "the description disappears": (
        (TEXT, Field(description="Net.")),
        TEXT,
        "the description changed",
    ),
}

COMPATIBLE = {
    "an optional field is new": (None, optional(TEXT), "new optional field"),
    "a field with a default is new": (None, (TEXT, "a"), "new optional field"),
    "a field is described": (TEXT, (TEXT, Field(description="Net.")), "described"),
    "a description is reworded": (
        (TEXT, Field(description="Net.")),
        (TEXT, Field(description="Without tax.", json_schema_extra=reworded(1))),
        "reworded; the meaning is declared unchanged",
    ),
}


def with_field(field):
    return an_event(**({"note": field} if field is not None else {}))


@pytest.mark.parametrize(("before", "after", "change"), BREAKING.values(), ids=BREAKING)
def test_a_change_breaks_consumers_if(before, after, change):
    (found,) = compare(with_field(before), with_field(after))

    assert (found.event, found.field) == ("parcel.sent", "data.note")
    assert found.what.change == change
    assert found.what.breaking
    assert found.what.instead


@pytest.mark.parametrize(("before", "after", "change"), COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_change_breaks_nobody_if(before, after, change):
    assert told(compare(with_field(before), with_field(after))) == [("data.note", change, False)]


def test_the_same_event_has_no_changes():
    assert compare(with_field(TEXT), with_field(TEXT)) == []


def test_a_field_of_a_line_is_compared_too():
    lines = an_event(lines=tuple[Line, ...])
    wider = an_event(lines=tuple[WiderLine, ...])
    stricter = an_event(lines=tuple[StricterLine, ...])

    assert told(compare(lines, wider)) == [("data.lines[].note", "new optional field", False)]
    assert told(compare(lines, stricter)) == [("data.lines[].note", "new required field", True)]


def test_a_new_object_is_one_change_whatever_it_has():
    before, after = an_event(), an_event(line=optional(StricterLine))

    assert told(compare(before, after)) == [("data.line", "new optional field", False)]


def test_a_removed_object_is_one_change_whatever_it_had():
    before, after = an_event(line=Line), an_event()

    assert told(compare(before, after)) == [("data.line", "removed", True)]


def test_unknown_fields_may_not_become_forbidden():
    forbidding = an_event(extra={"additionalProperties": False})

    (found,) = compare(an_event(), forbidding)

    assert (found.field, found.what.breaking) == ("data", True)
    assert found.what.change.startswith("additionalProperties none became False (narrower")


def test_a_new_event_breaks_nobody_and_a_removed_one_everybody():
    assert told(compare(None, an_event())) == [("", "new event", False)]
    assert told(compare(an_event(), None)) == [("", "removed", True)]


def test_an_event_whose_meaning_changes_breaks_its_consumers():
    after = an_event(doc="A parcel will be sent.")
    declared = an_event(doc="A parcel has left.", extra=reworded(1))

    (found,) = compare(an_event(), after)

    assert told([found]) == [("", "the description changed", True)]
    assert "declare reworded(1)" in found.what.instead
    assert told(compare(an_event(), declared)) == [
        ("", "reworded; the meaning is declared unchanged", False)
    ]


def test_a_declared_rewording_covers_one_change_of_words():
    before = an_event(doc="A parcel has left.", extra=reworded(1))
    after = an_event(doc="A parcel arrived.", extra=reworded(1))

    (found,) = compare(before, after)

    assert found.what.breaking
    assert "declare reworded(2)" in found.what.instead


def test_line_breaks_in_a_description_are_no_change():
    assert compare(an_event(doc="A parcel\n    was sent."), an_event()) == []


def test_another_major_version_breaks_the_consumers_of_every_event():
    events = {
        "parcel.sent": schema_of(an_event()),
        "parcel.lost": schema_of(an_event("parcel.lost")),
    }
    second = copy.deepcopy(events)
    for schema in second.values():
        schema["properties"]["eventVersion"]["pattern"] = "^2\\.[0-9]{1,4}$"

    found = changes([Contract.of("1.1", events)], Contract.of("2.0", second), today=TODAY)

    assert [(each.event, each.field, each.what.breaking) for each in found] == [
        ("parcel.lost", "eventVersion", True),
        ("parcel.sent", "eventVersion", True),
    ]
    assert found[0].what.change.startswith("pattern ^1\\.[0-9]{1,4}$ became ^2\\.")


def test_an_event_moves_to_a_major_version_of_its_own_only_after_an_announcement():
    second = an_event("parcel.sent.v2", note=TEXT)

    moved = compare(an_event(), second, today=ON_1_JULY)
    announced = compare(an_event(extra=notice()), second, today=ON_1_JULY)

    assert [(e.event, e.what.breaking) for e in moved] == [
        ("parcel.sent", True),
        ("parcel.sent.v2", False),
    ]
    assert not any(each.what.breaking for each in announced)


# Versions.


def test_a_change_on_the_wire_needs_a_new_version():
    before, after = an_event(), with_field(optional(TEXT))

    same = changes([a_contract(before)], a_contract(after), today=TODAY)
    older = changes([a_contract(before, version="1.3")], a_contract(after), today=TODAY)

    assert ("*", "eventVersion", True) in [(e.event, e.field, e.what.breaking) for e in same]
    assert ("*", "eventVersion", True) in [(e.event, e.field, e.what.breaking) for e in older]


def test_new_words_need_no_new_version():
    before = a_contract(an_event())
    after = a_contract(an_event(doc="A parcel has left.", extra=reworded(1)))

    assert [each.what.breaking for each in changes([before], after, today=TODAY)] == [False]


# Deprecation.

ON_1_JULY = date(2026, 7, 1)


def notice(day=ON_1_JULY):
    return deprecated(since="1.1", removed_not_before=day, instead="data.text")


def noticed(day=ON_1_JULY):
    return with_field(optional(TEXT, json_schema_extra=notice(day)))


def test_an_announcement_breaks_nobody():
    found = compare(with_field(optional(TEXT)), noticed())

    assert told(found) == [
        ("data.note", "deprecated since 1.1, removed not before 2026-07-01: data.text", False)
    ]


@pytest.mark.parametrize(
    ("today", "change", "breaking"),
    [
        (date(2026, 6, 30), "removed too early", True),
        (date(2026, 7, 1), "removed as announced in 1.1", False),
        (date(2027, 7, 1), "removed as announced in 1.1", False),
    ],
)
def test_a_field_is_removed_from_the_announced_day_on(today, change, breaking):
    found = compare(noticed(), with_field(None), today=today)

    assert told(found) == [("data.note", change, breaking)]


@pytest.mark.parametrize(("today", "breaking"), [(TODAY, True), (ON_1_JULY, False)])
def test_an_event_is_removed_from_the_announced_day_on(today, breaking):
    found = compare(an_event(extra=notice()), None, today=today)

    assert [(each.field, each.what.breaking) for each in found] == [("", breaking)]


def test_a_removal_may_be_put_off_or_called_off_but_not_brought_forward():
    later, sooner = noticed(date(2026, 8, 1)), noticed(date(2026, 6, 30))

    assert [each.what.breaking for each in compare(noticed(), later)] == [False]
    assert [each.what.breaking for each in compare(noticed(), with_field(optional(TEXT)))] == [
        False
    ]
    assert [each.what.breaking for each in compare(noticed(), sooner)] == [True]


def test_a_required_field_goes_in_two_steps():
    """It becomes optional for readers while it is still published; then it goes."""
    required = with_field(TEXT)
    announced = with_field((TEXT, Field(json_schema_extra=notice())))
    gone = with_field(None)

    assert told(compare(required, noticed()))[1:] == [
        ("data.note", "required became optional, to be removed", False)
    ]
    assert told(compare(announced, gone, today=ON_1_JULY)) == [
        ("data.note", "removed while required", True)
    ]
    assert told(compare(noticed(), gone, today=ON_1_JULY)) == [
        ("data.note", "removed as announced in 1.1", False)
    ]


def test_a_required_field_may_not_become_optional_without_an_announcement():
    assert any(each.what.breaking for each in compare(with_field(TEXT), with_field((TEXT, "x"))))


# Several versions.


def history(*events):
    """Record events as versions 1.0, 1.1 and so on."""
    return [a_contract(each, version=f"1.{n}") for n, each in enumerate(events)]


def test_a_removed_name_comes_back_only_as_it_was():
    before = history(noticed(), with_field(None))

    again = changes(before, a_contract(noticed()), today=ON_1_JULY)
    other = changes(before, a_contract(with_field(optional(NUMBER))), today=ON_1_JULY)

    assert not any(each.what.breaking for each in again)
    assert "type string became integer" in {
        each.what.change for each in other if each.what.breaking
    }


def test_a_removed_event_comes_back_only_as_it_was():
    whole = an_event(note=TEXT, extra=notice())
    before = [a_contract(whole, version="1.0"), a_contract(version="1.1")]

    again = changes(before, a_contract(an_event(note=TEXT)), today=ON_1_JULY)
    without = changes(before, a_contract(an_event()), today=ON_1_JULY)

    assert not any(each.what.breaking for each in again)
    assert any(each.what.breaking for each in without)


def test_a_removal_that_was_released_is_no_change():
    before = history(noticed(), with_field(None))

    assert changes(before, a_contract(with_field(None)), today=TODAY) == []


def test_released_versions_are_compared_in_their_order_not_as_text():
    before = [
        a_contract(with_field(None), version="1.10"),
        a_contract(noticed(), version="1.9"),
    ]
    new = a_contract(with_field(None), version="1.11")

    assert changes(before, new, today=TODAY) == []


# Nothing escapes.


def nodes(node, path=()):
    """Yield the path of every dictionary in a schema."""
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    if isinstance(node, dict):
        yield path
    for key, value in inner:
        if isinstance(value, dict | list):
            yield from nodes(value, (*path, key))


def rules_of(schema):
    """List (path, keyword) of every rule in a schema."""
    described = {"description", "title", "$schema", "$ref", "properties", "$defs", "anyOf", "items"}
    found = []
    for path in nodes(schema):
        node = schema
        for key in path:
            node = node[key]
        if path and path[-1] in ("properties", "$defs"):
            continue
        found += [(path, key) for key in node if key not in described]
    return found


def test_the_loss_of_any_rule_of_any_event_breaks_somebody():
    missed = []
    for name, event in CATALOGUE.items():
        schema = schema_of(event)
        released = [Contract.of("1.1", {name: schema})]
        for path, keyword in rules_of(schema):
            changed = copy.deepcopy(schema)
            node = changed
            for key in path:
                node = node[key]
            was = node.pop(keyword)
            harmless = keyword == "default" and was is None  # absent is null
            null = path[-2:-1] == ("anyOf",) and was == "null"  # no longer one type or null
            new = Contract.of("1.2", {name: changed})
            found = any(each.what.breaking for each in changes(released, new, today=TODAY))
            if not (found or harmless or null):
                missed.append((name, path, keyword))

    assert missed == []
