"""The span of a publish request, and its causes."""

import pytest
from support.builders import encoded
from support.fakes import FakeTopic

from workers.runtime.errors import PermanentError, Unavailable
from workers.tracing.topic import TracedTopic

ARN = "arn:aws:sns:eu-west-1:123456789012:order-events"
TRACE = "0af7651916cd43dd8448eb211c80319c"
ONE = f"00-{TRACE}-b7ad6b7169203331-01"
TWO = f"00-{TRACE}-b7ad6b7169203332-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203333-00"


@pytest.fixture
def topic(recorded):
    topic = FakeTopic()
    return topic, TracedTopic(topic, recorded.tracer, arn=ARN)


def event(number, traceparent):
    return encoded(event_id=f"event-{number}", traceparent=traceparent)


def test_the_events_of_one_cause_are_published_below_it(recorded, topic):
    plain, traced = topic
    events = [event(1, ONE), event(2, ONE)]
    assert traced.publish(events) == {}

    span = recorded.one("publish order-events")
    assert plain.sent == events
    assert (span.kind.name, recorded.parent(span)) == ("PRODUCER", "b7ad6b7169203331")
    assert recorded.links(span) == [ONE, ONE]
    assert span.attributes["messaging.system"] == "aws.sns"
    assert span.attributes["messaging.operation.type"] == "send"
    assert span.attributes["aws.sns.topic.arn"] == ARN


def test_events_of_several_causes_are_published_in_a_trace_of_their_own(recorded, topic):
    topic[1].publish([event(1, ONE), event(2, TWO), event(3, None)])
    span = recorded.one("publish order-events")
    assert span.parent is None
    assert recorded.links(span) == [ONE, TWO]
    assert span.attributes["messaging.batch.message_count"] == 3


def test_a_request_links_only_to_causes_that_are_exported(recorded, topic):
    topic[1].publish([event(1, ONE), event(2, UNSAMPLED)])
    span = recorded.one("publish order-events")
    assert recorded.links(span) == [ONE]
    assert span.attributes["messaging.batch.message_count"] == 2


def test_a_request_inside_another_span_still_belongs_to_its_cause(recorded, topic):
    with recorded.tracer.start_as_current_span("somebody else's message"):
        topic[1].publish([event(1, ONE)])
    assert recorded.parent(recorded.one("publish order-events")) == "b7ad6b7169203331"


def test_events_that_are_not_sampled_leave_no_span(recorded, topic):
    topic[1].publish([event(1, UNSAMPLED), event(2, UNSAMPLED.replace("3333", "3334"))])
    assert len(topic[0].sent) == 2
    assert recorded.spans() == []


def test_a_refused_event_marks_the_span(recorded, topic):
    plain, traced = topic
    plain.fail_entries({0: PermanentError("too large")})
    assert list(traced.publish([event(1, ONE)])) == [0]
    assert recorded.one("publish order-events").attributes["error.type"] == "permanent"


def test_an_outage_marks_the_span_and_is_raised(recorded, topic):
    plain, traced = topic
    plain.fail_next("publish", Unavailable("down", dependency="sns"))
    with pytest.raises(Unavailable):
        traced.publish([event(1, ONE)])
    assert recorded.one("publish order-events").attributes["error.type"] == "unavailable"
