"""Reading what is left of an envelope that was refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import an_envelope, an_order

from workers.events import CATALOGUE, decode, peek
from workers.glimpse import Glimpse, fields_of, glimpse

GOLDEN = Path(__file__).parents[1] / "contract/golden"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENVELOPE = an_envelope(an_order(), event_id="event-1", correlation_id="story-1", traceparent=TRACE)
BODY = ENVELOPE.encode()
ALL = Glimpse.of(ENVELOPE)


def without(body, *path):
    fields = json.loads(body)
    inner = fields
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return json.dumps(fields)


def test_it_reads_what_the_decoder_reads():
    assert peek(BODY) == ALL
    assert ALL.key == decode(BODY).key
    assert ALL.subject == {"orderId": "order-1"}
    assert ALL.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("traceparent", [None, TRACE])
def test_the_log_fields_of_an_envelope_are_those_of_its_glimpse(traceparent):
    envelope = an_envelope(traceparent=traceparent)

    assert list(fields_of(envelope).items()) == list(Glimpse.of(envelope).fields().items())


def test_it_reads_an_envelope_inside_a_notification():
    assert peek(json.dumps({"Type": "Notification", "Message": BODY})) == ALL


def test_a_refused_body_still_says_which_event_it_is():
    found = peek(without(BODY, "data", "items"))

    assert found == ALL


def test_an_unknown_type_is_named():
    fields = json.loads(BODY) | {"eventType": "order.teleported"}

    assert peek(json.dumps(fields)).event_type == "order.teleported"


def test_a_missing_field_is_empty():
    found = peek(without(BODY, "eventId"))

    assert (found.event_id, found.key) == ("", "")
    assert found.subject == ALL.subject
    assert "eventId" not in found.fields()


@pytest.mark.parametrize("cut", [1, 40, 150])
def test_a_truncated_body_is_searched_for_its_fields(cut):
    found = peek(BODY[:-cut])

    assert (found.key, found.event_type) == (ALL.key, ALL.event_type)
    assert found.trace_id == ALL.trace_id


def test_a_truncated_notification_is_searched_too():
    wrapped = json.dumps({"Type": "Notification", "Message": BODY})

    assert peek(wrapped[:-30]).key == ALL.key


@pytest.mark.parametrize(
    "value", ["ada@example.com", "Ada Lovelace", "x" * 101, "", 7, None, ["a"], {"a": "b"}]
)
def test_a_value_that_is_no_id_is_left_out(value):
    fields = json.loads(BODY) | {"eventId": value, "eventType": value, "correlationId": value}
    fields["data"]["orderId"] = value

    found = peek(json.dumps(fields))

    assert found == Glimpse(source=ALL.source, trace_id=ALL.trace_id)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "7",
        "{",
        "[" * 100_000,
        '{"data": [1]}',
        '{"eventId": ' + "9" * 10_000 + "}",
        '{"Type": "Notification", "Message": "no JSON"}',
        "\ud800",
    ],
    ids=lambda body: body[:20],
)
def test_a_body_with_nothing_to_read_gives_nothing(body):
    assert glimpse(body, ["orderId"]) == Glimpse()


@given(st.text() | st.recursive(st.text(), lambda x: st.dictionaries(st.text(), x)).map(json.dumps))
def test_it_never_raises(body):
    assert isinstance(peek(body), Glimpse)


@pytest.mark.parametrize("event_type", CATALOGUE)
def test_the_subject_of_every_event_is_made_of_its_subject_fields(event_type):
    body = (GOLDEN / f"{event_type}.json").read_text("utf-8")

    assert tuple(decode(body).data.subject) == CATALOGUE[event_type].subject_fields
    assert peek(body) == Glimpse.of(decode(body))
