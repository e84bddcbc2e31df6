"""Envelopes survive encoding; anything else is refused with a reason."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_cancellation, a_payment, a_reservation, an_envelope, an_order

from workers.envelope import (
    MAX_BODY_BYTES,
    VERSION,
    Encoded,
    EnvelopeError,
    UnknownType,
    UnsupportedVersion,
    first,
)
from workers.events import (
    CATALOGUE,
    MAX_AMOUNT,
    MAX_LINES,
    MAX_QUANTITY,
    PricedLine,
    Simulation,
    decode,
)

BODY = an_envelope().encode()
SURROGATE = "\ud800"


def body(**changes):
    """Return the body of an envelope with these fields changed."""
    return json.dumps(json.loads(BODY) | changes)


def data(**changes):
    """Return the body of an envelope with these fields of its data changed."""
    fields = json.loads(BODY)
    return json.dumps(fields | {"data": fields["data"] | changes})


def line(**changes):
    return data(items=[{"sku": "tea", "quantity": 2, "price": "12.30"} | changes])


def without(field):
    return json.dumps({name: value for name, value in json.loads(BODY).items() if name != field})


def cancellation(reason):
    return an_envelope(a_cancellation()).encode().replace("changed my mind", reason)


def test_an_envelope_survives_encoding():
    assert decode(BODY) == an_envelope()


HOSTILE = {
    "nothing": "",
    "not JSON": "{",
    "a number": "1",
    "null": "null",
    "a list": "[]",
    "two documents": BODY + BODY,
    "200-digit integer": BODY.replace('"quantity":2', f'"quantity":{"9" * 200}'),
    "5000-digit integer": BODY.replace('"quantity":2', f'"quantity":{"9" * 5000}'),
    "5000-digit price": line(price="9" * 5000),
    "NaN": BODY.replace('"quantity":2', '"quantity":NaN'),
    "Infinity": BODY.replace('"quantity":2', '"quantity":Infinity'),
    "NaN in an unknown field": BODY[:-1] + ',"x":NaN}',
    "NaN as text": line(price="NaN"),
    "Infinity as text": line(price="Infinity"),
    "duplicate key": BODY.replace('"eventId"', '"eventId":"other","eventId"'),
    "duplicate key inside": BODY.replace('"quantity":2', '"quantity":2,"quantity":3'),
    "NUL": BODY.replace('"tea"', '"t\x00a"'),
    "NUL escaped": cancellation(r"a\u0000b"),
    "U+FFFF": cancellation(r"a\uffffb"),
    "newline in a text": cancellation(r"a\nb"),
    "lone surrogate": BODY.replace('"tea"', f'"t{SURROGATE}a"'),
    "lone surrogate escaped": cancellation(r"a\ud800b"),
    "300 levels": "[" * 300 + "]" * 300,
    "300 levels inside": BODY[:-1] + ',"x":' + "[" * 300 + "]" * 300 + "}",
    "300 KiB": BODY + " " * (300 * 1024),
    "wrong type": line(quantity="2"),
    "float for an integer": line(quantity=2.0),
    "boolean for an integer": line(quantity=True),
    "negative price": line(price="-0.01"),
    "three decimal places": line(price="0.001"),
    "too dear": line(price=str(MAX_AMOUNT + 1)),
    "too many pieces": line(quantity=MAX_QUANTITY + 1),
    "no pieces": line(quantity=0),
    "no lines": data(items=[]),
    "too many lines": data(
        items=[{"sku": "tea", "quantity": 1, "price": "1"}] * (MAX_LINES + 1),
    ),
    "long id": data(orderId="x" * 101),
    "id with a newline": data(orderId="order-1\n"),
    "lower-case currency": data(currency="eur"),
    "no email address": data(customerEmail="ada"),
    "display name in an email address": data(customerEmail="Evil<v@example.com>"),
    "two email addresses": data(customerEmail="ada,bob@example.com"),
    "second header in an email address": data(customerEmail="a@example.com\r\nBcc: b@example.com"),
    "time without a zone": body(occurredAt="2026-01-02T12:00:00"),
    "traceparent that is none": body(traceparent="00-1-2-3"),
    "version that is none": body(eventVersion="one"),
    "null data": body(data=None),
    **{f"no {field}": without(field) for field in json.loads(BODY)},
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_anything_but_an_envelope_is_refused(hostile):
    with pytest.raises(EnvelopeError) as refusal:
        decode(hostile)

    assert refusal.value.name == "malformed"
    assert str(refusal.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (without("eventId"), "^eventId: Field required$"),
        (without("eventType"), "^eventType: missing$"),
        (body(eventType=1), "^eventType: not a string$"),
        (line(quantity=0), r"^data\.items\.0\.quantity: .*greater than or equal to 1"),
        ("x" * (MAX_BODY_BYTES + 1), f"has {MAX_BODY_BYTES + 1} bytes, more than {MAX_BODY_BYTES}"),
    ],
)
def test_the_reason_names_what_is_wrong(text, reason):
    with pytest.raises(EnvelopeError, match=reason):
        decode(text)


@pytest.mark.parametrize(
    ("event_type", "text"),
    [
        ("order.eaten", "eventType order.eaten is not in the catalogue"),
        ("order.placed.v2", "eventType order.placed.v2 is not in the catalogue"),
        ("ada@example.com", "eventType is not in the catalogue"),
        ("Ada Lovelace", "eventType is not in the catalogue"),
        ("a" * 200, "eventType is not in the catalogue"),
    ],
)
def test_an_unknown_type_is_named_if_it_looks_like_a_type(event_type, text):
    body = an_envelope().encode().replace("order.created", event_type)

    with pytest.raises(UnknownType) as refusal:
        decode(body)

    assert str(refusal.value) == text


@pytest.mark.parametrize(
    ("wire", "code"),
    [("eventId", "event_id"), ("orderId", "order_id"), ("totalAmount", "total_amount")],
)
def test_a_field_has_one_name(wire, code):
    """A reader that also took the name in code would see another event than the others."""
    assert f'"{wire}"' in BODY

    with pytest.raises(EnvelopeError, match=wire):
        decode(BODY.replace(f'"{wire}"', f'"{code}"'))


def test_the_reason_quotes_no_customers_data():
    with pytest.raises(EnvelopeError) as refusal:
        decode(data(customerEmail="ada lovelace at example.com"))

    assert "lovelace" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_an_unknown_type_has_its_own_error_name():
    with pytest.raises(UnknownType) as refusal:
        decode(body(eventType="order.eaten"))

    assert refusal.value.name == "unknown_type"


@pytest.mark.parametrize("kind", ["order.created", "order.eaten"])
def test_a_newer_major_version_has_its_own_error_name(kind):
    with pytest.raises(UnsupportedVersion, match=r"2\.0 is newer than 1\.1") as refusal:
        decode(body(eventVersion="2.0", eventType=kind))

    assert refusal.value.name == "unsupported_version"


def test_a_newer_minor_version_is_read():
    assert decode(body(eventVersion="1.7")).data == an_order()


def test_extra_fields_are_ignored():
    fields = json.loads(BODY) | {"tenant": "blue"}
    fields["data"] |= {"gift": True}
    fields["data"]["items"][0] |= {"colour": "green"}

    assert decode(json.dumps(fields)) == an_envelope()


def test_an_envelope_wrapped_by_sns_is_read():
    wrapped = {"Type": "Notification", "MessageId": "1", "TopicArn": "arn", "Message": BODY}

    assert decode(json.dumps(wrapped)) == an_envelope()


def test_an_envelope_wrapped_by_sns_is_checked_too():
    duplicate = BODY.replace('"eventId"', '"eventId":"other","eventId"')

    with pytest.raises(EnvelopeError, match="duplicate key"):
        decode(json.dumps({"Type": "Notification", "Message": duplicate}))


def test_the_wire_format_omits_absent_fields():
    assert json.loads(BODY).keys() == {
        "eventId",
        "eventType",
        "eventVersion",
        "source",
        "occurredAt",
        "correlationId",
        "data",
    }


def test_a_first_event_starts_the_correlation():
    envelope = first(an_order(), source="order-api", event_id="event-1")

    assert (envelope.correlation_id, envelope.causation_id) == ("event-1", None)
    assert envelope.event_version == VERSION
    assert abs(envelope.occurred_at - datetime.now(UTC)).total_seconds() < 60


def test_an_outcome_keeps_the_correlation():
    cause = an_envelope(
        event_id="event-2", traceparent=f"00-{'a' * 32}-{'b' * 16}-01", correlation_id="event-1"
    )

    outcome = cause.then(a_payment(), source="payment")

    assert outcome.key == f"payment#{outcome.event_id}"
    assert (outcome.event_type, outcome.correlation_id, outcome.causation_id) == (
        "payment.completed",
        "event-1",
        "event-2",
    )
    assert outcome.traceparent == cause.traceparent


def test_outcome_ids_do_not_depend_on_time_or_machine():
    outcome = an_envelope().then(a_payment(), source="payment")

    assert outcome.event_id == "0496c793-0788-5bff-a8f2-4c56a6cfab18"


def test_outcomes_differ_by_cause_source_type_and_position():
    cause, other = an_envelope(), an_envelope(event_id="event-2")

    ids = {
        cause.then(a_payment(), source="payment").event_id,
        cause.then(a_payment(), source="payment", position=1).event_id,
        cause.then(a_payment(), source="orders").event_id,
        cause.then(a_reservation(), source="payment").event_id,
        other.then(a_payment(), source="payment").event_id,
    }

    assert len(ids) == 5


ids = st.from_regex(r"[A-Za-z0-9._:-]{1,100}", fullmatch=True)
amounts = st.decimals(0, MAX_AMOUNT, places=2)
lines = st.builds(
    PricedLine,
    sku=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    quantity=st.integers(1, MAX_QUANTITY),
    price=amounts,
)
orders = st.builds(
    an_order,
    order_id=ids,
    items=st.lists(lines, min_size=1, max_size=5).map(tuple),
    total_amount=amounts,
    currency=st.from_regex("[A-Z]{3}", fullmatch=True),
    simulation=st.none()
    | st.builds(Simulation, payment_outcome=st.sampled_from([None, "approved", "declined"])),
)
cancellations = st.builds(
    a_cancellation,
    reason=st.text(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
        min_size=1,
        max_size=500,
    ),
)


@given(
    event=orders | cancellations,
    event_id=ids,
    occurred_at=st.datetimes(timezones=st.just(UTC)),
)
def test_any_envelope_survives_encoding(event, event_id, occurred_at):
    envelope = an_envelope(event, event_id=event_id, occurred_at=occurred_at)

    assert decode(envelope.encode()) == envelope


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(sorted(CATALOGUE)),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(list(json.loads(BODY))), inner)
        ),
    ).map(json.dumps)
)
def test_garbage_raises_only_envelope_errors(rubbish):
    with pytest.raises(EnvelopeError):
        decode(rubbish)


def test_money_is_exact():
    decoded = decode(line(price="0.10"))

    assert decoded.data.items[0].price * 3 == Decimal("0.30")


def test_the_attributes_match_the_body():
    envelope = an_envelope(traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")

    event = Encoded.of(envelope)

    assert event == Encoded.read(event.body)
    assert event.body == envelope.encode()
    assert event.attributes == {
        "eventType": "order.created",
        "eventVersion": "1.1",
        "source": "order-api",
        "eventId": "event-1",
        "correlationId": "event-1",
        "traceparent": envelope.traceparent,
    }


def test_an_event_of_a_newer_version_is_read_without_the_catalogue():
    body = '{ "eventId": "e-1", "eventType": "order.split", "eventVersion": "3.0", "source": 1 }'

    event = Encoded.read(body)

    assert (event.event_id, event.body) == ("e-1", body)
    assert event.attributes == {
        "eventType": "order.split",
        "eventVersion": "3.0",
        "eventId": "e-1",
    }


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"eventId": "e-1"}', '{"eventType": "x"}'])
def test_an_event_needs_an_id_and_a_type(body):
    with pytest.raises(EnvelopeError):
        Encoded.read(body)
