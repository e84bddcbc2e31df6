"""What any Topic does."""

import pytest
from builders import a_cancellation, an_envelope

from workers.envelope import decode
from workers.runtime.errors import PermanentError


def envelopes(count, **changes):
    return [an_envelope(event_id=f"event-{number}", **changes) for number in range(count)]


def too_large():
    return an_envelope(a_cancellation().model_copy(update={"reason": "x" * 270_000}))


def test_what_is_published_arrives_unchanged(topics):
    (envelope,) = envelopes(1)

    assert topics.topic.publish([envelope]) == {}

    (body,) = topics.arrived()
    assert body == envelope.encode()
    assert decode(body) == envelope


def test_nothing_to_publish_is_published(topics):
    assert topics.topic.publish([]) == {}
    assert topics.arrived() == []


def test_more_than_a_batch_arrives_in_full(topics):
    sent = envelopes(23)

    assert topics.topic.publish(sent) == {}
    assert sorted(topics.arrived()) == sorted(envelope.encode() for envelope in sent)


def test_envelopes_too_large_for_one_batch_arrive_in_full(topics):
    event = a_cancellation().model_copy(update={"reason": "☃" * 40_000})
    sent = envelopes(5, data=event, event_type=event.type)

    assert topics.topic.publish(sent) == {}
    assert len(topics.arrived()) == 5


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_envelope_that_is_too_large_is_refused_alone(topics, position):
    sent = envelopes(2)
    sent.insert(position, too_large())

    errors = topics.topic.publish(sent)

    assert list(errors) == [position]
    assert isinstance(errors[position], PermanentError)
    assert len(topics.arrived()) == 2
