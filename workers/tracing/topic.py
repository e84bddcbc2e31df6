"""The span of a publish request.

It is a child of the span that caused its events: the request at order-api, the handled message in
a consumer. The relay publishes later, and so does a request that several handlers share: with
several causes the span has no parent. It links to each cause in any case.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

from workers.runtime.ports import Outcomes, Topic
from workers.runtime.settlement import name_of
from workers.tracing.context import TRACEPARENT, links_to, parent_of, read, wanted
from workers.tracing.marks import ended, fail

SYSTEM: Final = "aws.sns"  # the conventions spell SQS "aws_sqs"


class TracedTopic:
    """A topic whose requests have spans."""

    def __init__(self, topic: Topic, tracer: Tracer, *, arn: str) -> None:
        self._topic = topic
        self._tracer = tracer
        self._name = arn.rpartition(":")[2]
        self._attributes: dict[str, AttributeValue] = {
            "messaging.system": SYSTEM,
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.destination.name": self._name,
            "aws.sns.topic.arn": arn,
        }

    def publish(self, events: Outcomes) -> Mapping[int, Exception]:
        """As ``Topic.publish``. The events stay as they are."""
        contexts = [read(event.attributes.get(TRACEPARENT)) for event in events]
        if not wanted(contexts):
            return self._topic.publish(events)
        attributes: dict[str, AttributeValue] = {
            **self._attributes,
            "messaging.batch.message_count": len(events),
        }
        if len({event.attributes.get("correlationId") for event in events}) == 1:
            attributes["messaging.message.conversation_id"] = events[0].attributes.get(
                "correlationId", events[0].event_id
            )
        span = self._tracer.start_span(
            f"publish {self._name}",
            context=parent_of(contexts),
            kind=SpanKind.PRODUCER,
            links=links_to(contexts),
            attributes=attributes,
        )
        with ended(span):
            errors = self._topic.publish(events)
            if errors:
                fail(span, name_of(next(iter(errors.values()))))
        return errors
