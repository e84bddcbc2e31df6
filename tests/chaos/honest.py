"""The evidence of a run without violations: three orders, one of which payment always fails."""

import json
from copy import deepcopy

from local.chaos.evidence import Event, Evidence, LogLine, Planted
from local.chaos.history import Op
from workers.aws.outbox_leases import ShardLease
from workers.envelope import outcome_id
from workers.ops.dlq import DeadMessage
from workers.ops.queues import QueueState
from workers.samples import SampleOrder

SKU = "TEA"
ORDERS = {
    1: SampleOrder(1, "success", ((SKU, 2),)),
    2: SampleOrder(2, "declined", ((SKU, 1),)),
    3: SampleOrder(3, "technical", ((SKU, 1),)),
}
CONSUMES = {
    "orders": frozenset(
        {"payment.completed", "payment.failed", "inventory.reserved", "inventory.released"}
    ),
    "payment": frozenset({"order.created", "order.cancelled"}),
    "inventory": frozenset({"order.created", "order.cancelled"}),
    "analytics": frozenset(
        {
            "order.created",
            "order.confirmed",
            "order.cancelled",
            "payment.completed",
            "payment.failed",
            "inventory.reserved",
            "inventory.released",
        }
    ),
}
# source, type, and the position of the event that caused it
STORIES = {
    1: [
        ("order-api", "order.created", None),
        ("payment", "payment.completed", 0),
        ("inventory", "inventory.reserved", 0),
        ("orders", "order.confirmed", 2),
    ],
    2: [
        ("order-api", "order.created", None),
        ("payment", "payment.failed", 0),
        ("inventory", "inventory.reserved", 0),
        ("orders", "order.cancelled", 1),
        ("inventory", "inventory.released", 3),
    ],
    3: [("order-api", "order.created", None), ("inventory", "inventory.reserved", 0)],
}
PRICE = "10.00"


def dead_letter(**changes):
    fields = {
        "id": "letter-3",
        "event_type": "order.created",
        "event_id": "event-3",
        "order_id": "order-3",
        "type": "transient",
        "reason": "payment is broken",
        "attempts": 3,
        "failed_at": "",
        "receive_count": 1,
        "body": "{}",
        "receipt_handle": "",
        "trail": "",
    }
    return DeadMessage(**(fields | changes))


def queue(service, **changes):
    counts = {"visible": 0, "in_flight": 0, "delayed": 0, "dead": 0}
    return QueueState(service=service, queue=f"{service}-queue", **(counts | changes))


def log(service, **fields):
    line = {"service": service, **fields}
    return LogLine(f"{service}-1.log", json.dumps(line), line)


def events():
    """Return the events of every order by its number."""
    told = {}
    for number, story in STORIES.items():
        told[number] = heard = []
        for source, kind, caused_by in story:
            cause = heard[caused_by].id if caused_by is not None else None
            fields = {
                "eventId": outcome_id(cause, source, kind) if cause else f"event-{number}",
                "eventType": kind,
                "source": source,
                "correlationId": f"event-{number}",
                "data": {"orderId": f"order-{number}"},
            }
            if cause:
                fields["causationId"] = cause
            heard.append(Event.read(json.dumps(fields)))
    return told


def honest():
    """Return new evidence without a violation."""
    told = events()
    every = [event for story in told.values() for event in story]
    tables = {name: {} for name in ("orders", "payment", "inventory", "analytics")}
    for number, planned in ORDERS.items():
        order_id, key = f"order-{number}", f"key-{number}"
        state = {1: "confirmed", 2: "cancelled", 3: "pending"}[number]
        tables["orders"][f"order#{order_id}"] = {
            "customerEmail": planned.email,
            "state": state,
            "totalAmount": PRICE,
            "history": [{"eventType": "order.created"}],
        }
        created = told[number][0]
        tables["orders"][f"outbox#{created.id}"] = {"body": created.body}
        tables["orders"][f"inbox#order-api#{key}"] = {"outcomes": [created.body]}
    tables["payment"] = {
        "payment#order-1": {"state": "completed", "amount": PRICE},
        "payment#order-2": {"state": "failed"},
        "ledger#charge-order-1": {"kind": "charge", "orderId": "order-1", "amount": PRICE},
    }
    tables["inventory"] = {
        "reservation#order-1": {"state": "reserved", "items": [{"sku": SKU, "quantity": 2}]},
        "reservation#order-2": {"state": "released"},
        "reservation#order-3": {"state": "reserved", "items": [{"sku": SKU, "quantity": 1}]},
        f"stock#{SKU}": {"available": 7, "reserved": 3},
    }
    counts = {}
    for event in every:
        counts[event.type] = counts.get(event.type, 0) + 1
        for service, types in CONSUMES.items():
            poison = service == "payment" and event.order_id == "order-3"
            if event.type in types and not poison:
                outcomes = [
                    other.body
                    for other in every
                    if other.source == service and other.fields.get("causationId") == event.id
                ]
                tables[service][f"inbox#{event.key}"] = {"outcomes": outcomes}
    tables["analytics"]["hour#2026-11-21T12#0"] = counts
    return Evidence(
        planned=dict(ORDERS),
        seeded={SKU: 10},
        history=[
            op
            for number in ORDERS
            for op in (
                Op("invoked", "place", f"key-{number}", number),
                acknowledged(number),
            )
        ],
        tables=deepcopy(tables),
        queues=[queue(service, dead=int(service == "payment")) for service in CONSUMES],
        dead={"payment": [dead_letter()]},
        audit=every,
        log=[
            log("payment", event="message.settled", outcome="handled", eventId=told[1][0].id),
            log("payment", event="crash", point="committed"),
        ],
        consumes=CONSUMES,
        table_of={service: service for service in CONSUMES},
        planted=[Planted("payment", "transient", "payment is broken", number=3)],
        exits=[("payment-1", -9), ("inventory-1", -9), ("orders-1", 0)],
        kills={"inventory-1": 1},
        leases=[ShardLease(0, "a", 1), ShardLease(0, "b", 2), ShardLease(1, "b", 1)],
    )


def acknowledged(number, **changes):
    fields = {"order_id": f"order-{number}", "status": 202, "body": f"answer {number}"}
    return Op("acknowledged", "place", f"key-{number}", number, **(fields | changes))
