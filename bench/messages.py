"""Creates the messages of a run: real orders in the wire format of each peer."""

import base64
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from uuid import UUID

from workers.envelope import first
from workers.events import OrderCreated, PricedLine

Wire = Callable[[str, int], str]  # (envelope, number) -> body
TASK = "tasks.work"
_LINES = 3
_STAMP = 1_767_225_600_000  # ms


def order_id(number: int, seconds: float) -> str:
    """Return an order id that tells the handlers how long to work (microseconds)."""
    return f"order-{number}.{seconds * 1e6:.0f}"


def number_of(order: str) -> int:
    """Return the number in an order id."""
    return int(order.removeprefix("order-").partition(".")[0])


def envelopes(work: Sequence[float]) -> list[str]:
    """Return one order.created per entry of ``work``, the handler time (s)."""
    return [_envelope(number, seconds) for number, seconds in enumerate(work)]


def _envelope(number: int, seconds: float) -> str:
    lines = tuple(
        PricedLine(sku=f"SKU-{(7 * number + line) % 1000:04d}", quantity=1, price=Decimal("19.99"))
        for line in range(_LINES)
    )
    order = OrderCreated(
        order_id=order_id(number, seconds),
        customer_email=f"customer-{number % 977}@example.com",
        items=lines,
        total_amount=Decimal("19.99") * _LINES,
        currency="EUR",
    )
    # As in an environment with the default of terraform/variables.tf, one order in ten is traced.
    sampled = "01" if number % 10 == 0 else "00"
    traceparent = f"00-{number + 1:032x}-{number + 1:016x}-{sampled}"
    event_id = _uuid(number)
    return first(order, source="order-api", event_id=event_id, traceparent=traceparent).encode()


def raw(envelope: str, _number: int) -> str:
    """Return the envelope as SNS delivers it raw, which is how this project subscribes."""
    return envelope


def sns(envelope: str, number: int) -> str:
    """Return the envelope as SNS wraps it by default.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    """
    topic = "arn:aws:sns:eu-west-1:000000000000:order-events"
    service = "https://sns.eu-west-1.amazonaws.com"
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": _uuid(number),
            "TopicArn": topic,
            "Message": envelope,
            "Timestamp": "2026-01-01T00:00:00.000Z",
            "SignatureVersion": "1",
            "Signature": "c2lnbmF0dXJl" * 28 + "cw==",
            "SigningCertURL": f"{service}/SimpleNotificationService-{number:032x}.pem",
            "UnsubscribeURL": f"{service}/?Action=Unsubscribe&SubscriptionArn={topic}:{_uuid(1)}",
            "MessageAttributes": {"eventType": {"Type": "String", "Value": "order.created"}},
        }
    )


def pyqs(envelope: str, _number: int) -> str:
    """Return a PyQS task."""
    return json.dumps({"task": TASK, "args": [envelope], "kwargs": {}})


def taskhawk(envelope: str, number: int) -> str:
    """Return a taskhawk task."""
    metadata = {"priority": "default", "timestamp": _STAMP, "version": "1.0"}
    task = {"id": _uuid(number), "metadata": metadata, "headers": {}, "task": TASK}
    return json.dumps({**task, "args": [envelope], "kwargs": {}})


def dramatiq(envelope: str, number: int) -> str:
    """Return a dramatiq message, as dramatiq-sqs encodes it."""
    message = {
        "queue_name": "bench",
        "actor_name": "work",
        "args": [envelope],
        "kwargs": {},
        "options": {},
        "message_id": _uuid(number),
        "message_timestamp": _STAMP,
    }
    return _base64(json.dumps(message, separators=(",", ":")))


def celery(envelope: str, number: int) -> str:
    """Return a Celery task (protocol 2), as kombu's SQS transport encodes it.

    https://docs.celeryq.dev/en/stable/internals/protocol.html
    """
    body = [[envelope], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    task_id = _uuid(number)
    headers = {"lang": "py", "task": TASK, "id": task_id, "root_id": task_id, "parent_id": None}
    headers |= {"group": None, "retries": 0, "timelimit": [None, None], "ignore_result": True}
    properties = {
        "correlation_id": task_id,
        "reply_to": task_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "bench"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": task_id,
    }
    message = {
        "body": _base64(json.dumps(body)),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return _base64(json.dumps(message))


def _uuid(number: int) -> str:
    return str(UUID(int=(0xBE2C << 112) + number, version=4))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
