"""An event survives as a CloudEvent; what is neither is refused with a reason that helps."""

import gzip
import json
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import (
    NOON,
    a_cancellation,
    a_payment,
    a_shortage,
    an_envelope,
    an_order,
    encoded,
    low_stock,
)

from workers.envelope import Encoded, EnvelopeError, UnsupportedVersion
from workers.events import accepting, decode, peek
from workers.ops.cloudevents import lines, to_cloudevent
from workers.topology import Topology

IDS = st.from_regex(r"[A-Za-z0-9._:-]{1,100}", fullmatch=True)
HEX = "0123456789abcdef"
TRACES = st.builds(
    "00-{}-{}-01".format,
    st.text(HEX, min_size=32, max_size=32),
    st.text(HEX, min_size=16, max_size=16),
)
EVENTS = st.sampled_from(
    [an_order(), a_payment(), a_cancellation(reason='"ça", \\ 🦆'), a_shortage(), low_stock()]
)
ENVELOPES = st.builds(
    an_envelope,
    EVENTS,
    event_id=IDS,
    source=IDS,
    occurred_at=st.integers(0, 2**33).map(lambda ms: NOON + timedelta(milliseconds=ms)),
    correlation_id=IDS,
    causation_id=st.none() | IDS,
    traceparent=st.none() | TRACES,
)
# The example of the specification's JSON format, with our data.
CLOUDEVENT = {
    "specversion": "1.0",
    "type": "payment.completed",
    "source": "/payment",
    "subject": "order-1",
    "id": "A234-1234-1234",
    "time": "2018-04-05T17:31:00Z",
    "comexampleextension1": "value",
    "comexampleothervalue": 5,
    "datacontenttype": "application/json",
    "data": json.loads(a_payment().model_dump_json(by_alias=True, exclude_none=True)),
}


def cloudevent(**changes):
    fields = CLOUDEVENT | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


@given(ENVELOPES)
def test_an_event_survives_as_a_cloudevent(envelope):
    assert decode(to_cloudevent(envelope.encode())) == envelope


@given(ENVELOPES)
def test_a_cloudevent_of_ours_is_what_the_specification_asks_for(envelope):
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#context-attributes"""
    event = json.loads(to_cloudevent(envelope.encode()))
    assert event["specversion"] == "1.0"
    assert all(event[name] for name in ("id", "source", "type", "subject"))
    assert all(name.isascii() and name.isalnum() and name.islower() for name in event)
    assert all(isinstance(value, str) for name, value in event.items() if name != "data")
    assert datetime.fromisoformat(event["time"]).utcoffset() == timedelta(0)


def test_a_cloudevent_of_somebody_else_is_read():
    envelope = decode(cloudevent())
    assert envelope.key == "payment#A234-1234-1234"
    assert envelope.correlation_id == "A234-1234-1234"
    assert envelope.event_version == "1.0"
    assert envelope.data == a_payment()


def test_attributes_that_are_null_count_as_absent():
    """The JSON format allows both, in 3.1.1."""
    given = cloudevent(
        correlationid=None, causationid=None, datacontenttype=None, eventversion=None
    )
    assert decode(given) == decode(cloudevent())


def test_a_cloudevent_is_believed_from_its_publishers_only():
    decode_ours = accepting(Topology.load().publishers)
    decode_ours(cloudevent())
    with pytest.raises(EnvelopeError, match="source"):
        decode_ours(cloudevent(source="/analytics"))


def test_a_cloudevent_is_published_with_the_attributes_that_queues_filter_by():
    attributes = Encoded.read(cloudevent()).attributes
    assert attributes["eventType"] == "payment.completed"
    assert attributes["source"] == "payment"
    assert attributes["eventId"] == "A234-1234-1234"


def test_a_refused_cloudevent_is_named():
    found = peek(cloudevent(data={"orderId": "order-1"}))
    assert (found.key, found.subject) == ("payment#A234-1234-1234", {"orderId": "order-1"})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data_base64": "e30="}, "data_base64"),
        ({"datacontenttype": "text/xml"}, "datacontenttype: not JSON"),
        ({"id": ...}, "id: missing"),
        ({"source": ""}, "source: missing"),
        ({"type": None}, "type: missing"),
        ({"time": ...}, "time: missing"),
        ({"data": ...}, "data: "),
        ({"data": "text"}, "data: "),
        ({"id": 7}, "eventId: "),
        ({"id": "a b"}, "eventId: "),
        ({"time": "yesterday"}, "occurredAt: "),
        ({"source": "https://shop.example.com/payment"}, "source: "),
        ({"eventversion": "one"}, "eventVersion: "),
    ],
)
def test_a_cloudevent_that_cannot_be_read_is_refused_with_its_reason(changes, reason):
    with pytest.raises(EnvelopeError) as refusal:
        decode(cloudevent(**changes))
    assert refusal.value.name == "malformed"
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('"order-1"', f'"order-{chr(0xD800)}"'),
        ('"order-1"', r'"order-\ud800"'),
        ('"24.60"', "9" * 5000),
        ('"24.60"', "1e400"),
        ('"24.60"', "NaN"),
        ('"24.60"', "[" * 300 + "]" * 300),
        ('"id"', '"id":"other","id"'),
    ],
)
def test_a_hostile_cloudevent_is_refused_like_a_hostile_envelope(good, bad):
    with pytest.raises(EnvelopeError):
        decode(cloudevent().replace(good, bad))


@given(st.integers(0, len(cloudevent()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(position, byte):
    raw = bytearray(cloudevent().encode())
    raw[position] = byte
    with suppress(EnvelopeError):
        assert decode(raw.decode(errors="surrogateescape")).data.order_id


@pytest.mark.parametrize("version", ["0.3", "2.0", 1.0, None])
def test_another_version_of_the_specification_is_refused(version):
    with pytest.raises(UnsupportedVersion, match="specversion"):
        decode(cloudevent(specversion=version))


@pytest.mark.parametrize("name", ["event_type", "event"])
def test_a_flat_message_gets_an_answer_that_helps(name):
    flat = json.dumps({name: "order.created", "order_id": "7", "customer_email": "a@example.com"})
    with pytest.raises(EnvelopeError) as refusal:
        decode(flat)
    assert refusal.value.name == "malformed"
    assert f"looks like a flat message with {name}" in str(refusal.value)
    assert "docs/CONSUMERS.md" in str(refusal.value)
    assert "example.com" not in str(refusal.value)


def test_a_file_of_the_archive_is_written_as_cloudevents(tmp_path):
    file = tmp_path / "events.gz"
    file.write_bytes(gzip.compress(f"{encoded().body}\n\n{cloudevent()}\nnonsense\n".encode()))
    ours, theirs, refused = lines(file)
    assert decode(ours) == an_envelope()
    assert json.loads(theirs) == CLOUDEVENT
    assert isinstance(refused, EnvelopeError)


def test_fields_of_a_newer_version_are_kept_and_a_signature_is_not():
    fields = json.loads(an_envelope().encode())
    fields["data"]["giftWrap"] = {"paper": "red"}
    newer = json.dumps(fields | {"signature": "key:00"})
    event = json.loads(to_cloudevent(newer))
    assert event["data"]["giftWrap"] == {"paper": "red"}
    assert "signature" not in event
