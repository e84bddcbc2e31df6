"""The parts that all spans share: their end, their failure, the attributes of messaging."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from workers.runtime.settlement import name_of

SYSTEM: Final = "aws_sqs"


@contextmanager
def ended(span: Span) -> Iterator[None]:
    """End the span after the block. An exception marks it as failed, without its text."""
    try:
        yield
    except Exception as error:
        fail(span, name_of(error))
        raise
    finally:
        span.end()


def fail(span: Span, error_type: str) -> None:
    """Mark a span as failed. An error's text stays out of it: it may quote a customer."""
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))


def attributes(name: str, operation: str, kind: str, *, url: str = "") -> dict[str, AttributeValue]:
    """Return the attributes that every span of an operation on a queue has."""
    fields: dict[str, AttributeValue] = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": name,
    }
    return {**fields, "aws.sqs.queue.url": url} if url else fields
