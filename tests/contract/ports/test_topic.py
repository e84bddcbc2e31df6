"""Every ``Topic`` behaves like this."""

import pytest
from support.builders import a_cancellation, encoded

from workers.envelope import Encoded
from workers.runtime.errors import PermanentError


def events(count, data=None):
    return [encoded(data, event_id=f"event-{number}") for number in range(count)]


def too_large():
    return encoded(a_cancellation().model_copy(update={"reason": "x" * 270_000}))


def test_an_event_arrives_unchanged(topics):
    (event,) = events(1)

    assert topics.topic.publish([event]) == {}

    assert topics.arrived() == [event.body]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            '{"eventId": "event-1", "eventType": "order.split", "eventVersion": "1.1",\r\n'
            ' "source": "order-api", "tenant": "t-1", "data": {"orderId": 1e2}}\n',
            id="of a newer version, formatted differently",
        ),
        pytest.param('{"eventId":"event-1","eventType":"x","data":"\\u00f6 ö ☃"}', id="escapes"),
    ],
)
def test_a_body_arrives_byte_for_byte_even_with_unknown_fields(topics, body):
    assert topics.topic.publish([Encoded.read(body)]) == {}

    assert topics.arrived() == [body]


def test_publishing_nothing_succeeds(topics):
    assert topics.topic.publish([]) == {}
    assert topics.arrived() == []


def test_more_than_a_batch_arrives_in_full(topics):
    sent = events(23)

    assert topics.topic.publish(sent) == {}
    assert sorted(topics.arrived()) == sorted(event.body for event in sent)


def test_events_too_large_for_one_batch_arrive_in_full(topics):
    event = a_cancellation().model_copy(update={"reason": "☃" * 40_000})
    sent = events(5, event)

    assert topics.topic.publish(sent) == {}
    assert len(topics.arrived()) == 5


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_event_that_is_too_large_is_refused_alone(topics, position):
    sent = events(2)
    sent.insert(position, too_large())

    errors = topics.topic.publish(sent)

    assert list(errors) == [position]
    assert isinstance(errors[position], PermanentError)
    assert len(topics.arrived()) == 2
