"""Whatever happens to an event on its way: it is read as it is, or refused with a reason."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.envelope import Encoded, Envelope, EnvelopeError
from workers.events import CATALOGUE, decode, peek

GOLDEN = sorted((Path(__file__).parents[1] / "contract/golden").rglob("[a-z]*.[a-z]*.json"))
EVENTS = [path.read_text("utf-8") for path in GOLDEN]

any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text()
    | st.sampled_from(["2026-01-02T12:00:00Z", "19.99", "ada@example.com", "1.1", "order-1", "-0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def paths(value, path=()):
    """List the path of every value in a document."""
    children = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    return [path, *(found for key, child in children for found in paths(child, (*path, key)))]


@st.composite
def with_changed_values(draw):
    """Replace, remove, add or double some values of an event."""
    document = json.loads(draw(st.sampled_from(EVENTS)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths(document)))
        if not path:
            continue
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "remove", "add", "double"])):
            case "replace":
                parent[path[-1]] = draw(any_json)
            case "remove":
                del parent[path[-1]]
            case "add" if isinstance(parent, dict):
                parent[draw(st.text())] = draw(any_json)
            case "double":
                parent[path[-1]] = [parent[path[-1]], parent[path[-1]]]
    return json.dumps(document, ensure_ascii=draw(st.booleans()))


@st.composite
def with_changed_characters(draw):
    """Cut, insert, repeat or change characters of an event."""
    body = draw(st.sampled_from(EVENTS))
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 40)))
    new = draw(st.text(max_size=20) | st.just(body[start:end] * 2) | st.sampled_from('{}[]",:0\\'))
    return body[:start] + new + body[end:]


@given(with_changed_values() | with_changed_characters())
def test_a_changed_event_is_read_or_refused_with_a_reason(body):
    try:
        envelope = decode(body)
    except EnvelopeError as refusal:
        assert str(refusal)  # noqa: PT017 - it may be accepted
        assert len(str(refusal)) < 2_000  # noqa: PT017
    else:
        assert CATALOGUE[envelope.event_type] is type(envelope.data)
        assert decode(envelope.encode()) == envelope


@given(with_changed_values() | with_changed_characters())
def test_a_changed_event_is_encoded_as_it_is_or_refused(body):
    try:
        encoded = Encoded.read(body)
    except EnvelopeError as refusal:
        assert str(refusal)  # noqa: PT017 - it may be accepted
    else:
        assert encoded.body == body
        assert all(isinstance(text, str) and text for text in encoded.attributes.values())


@given(
    st.sampled_from(EVENTS),
    st.sampled_from(["eventId", "eventType", "source", "correlationId", "traceparent", "orderId"]),
    any_json,
)
def test_what_is_left_of_a_changed_event_is_ids_only(body, name, value):
    document = json.loads(body)
    (document["data"] if name == "orderId" else document)[name] = value

    assert "@" not in "".join(peek(json.dumps(document)).fields().values())


@pytest.mark.parametrize("body", EVENTS, ids=[path.stem for path in GOLDEN])
def test_an_unchanged_event_survives_encoding(body):
    envelope = decode(body)

    assert isinstance(envelope, Envelope)
    assert decode(envelope.encode()) == envelope
