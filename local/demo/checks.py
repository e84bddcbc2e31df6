"""Checks the results of the demo against the tables, queues, emails and logs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from local.demo.plan import stock_for
from local.demo.service_logs import ServiceLogs
from local.demo.tables import Snapshot
from workers.ops.dlq import DeadMessage
from workers.ops.queues import QueueState
from workers.samples import SampleOrder
from workers.services.stock import AVAILABLE, RESERVED


@dataclass(frozen=True)
class Check:
    """One expectation and whether it held."""

    name: str
    held: bool
    detail: str = ""


@dataclass(frozen=True)
class Evidence:
    """Everything that the checks use."""

    planned: Mapping[str, SampleOrder]  # by order id
    tables: Snapshot
    queues: Sequence[QueueState]
    first_dead: Mapping[str, Sequence[DeadMessage]]  # by service, before the fix
    last_dead: Mapping[str, Sequence[DeadMessage]]  # by service, at the end
    malformed: Sequence[str]  # bodies sent to payment's queue
    mails: Sequence[Mapping[str, Any]]
    logs: ServiceLogs
    restarts: int
    max_attempts: int  # of payment


def check_all(evidence: Evidence) -> list[Check]:
    """Run every check."""
    return [
        _final_states(evidence),
        _no_double_charge(evidence),
        _revenue(evidence),
        _stock(evidence),
        _nothing_left(evidence),
        _technical_failures(evidence),
        _only_planted(evidence),
        _duplicates(evidence),
        _mails(evidence),
        _counters(evidence),
        _privacy(evidence),
    ]


def _final_states(evidence: Evidence) -> Check:
    wrong = [
        f"order {planned.number} ({planned.kind}) is {state}"
        for order_id, planned in evidence.planned.items()
        if (state := evidence.tables.orders.get(order_id, {}).get("state")) != planned.ends
    ]
    unplanned = len(evidence.tables.orders) - len(evidence.planned)
    if unplanned:
        wrong.append(f"{unplanned} orders that nobody placed")
    return Check(
        "every order reached its planned state, none exists twice", not wrong, _some(wrong)
    )


def _no_double_charge(evidence: Evidence) -> Check:
    charges = Counter(e.order_id for e in evidence.tables.ledger if e.kind == "charge")
    twice = [order_id for order_id, count in charges.items() if count > 1]
    return Check("no order was charged twice", bool(charges) and not twice, _some(twice))


def _revenue(evidence: Evidence) -> Check:
    expected = sum(
        (p.total for p in evidence.planned.values() if p.ends == "confirmed"), Decimal(0)
    )
    revenue = evidence.tables.revenue
    return Check(
        "revenue equals the total of the confirmed orders",
        revenue == expected,
        f"revenue {revenue}, expected {expected}",
    )


def _stock(evidence: Evidence) -> Check:
    reserved: Counter[str] = Counter()
    for planned in evidence.planned.values():
        if planned.ends == "confirmed":
            reserved.update(dict(planned.items))
    wrong = []
    for sku, seeded in stock_for(list(evidence.planned.values())).items():
        found = evidence.tables.stock[sku]
        expected = {AVAILABLE: seeded - reserved[sku], RESERVED: reserved[sku]}
        if any(found.get(field) != value for field, value in expected.items()):
            wrong.append(f"{sku}: {found}, expected {expected}")
    return Check(
        "stock is conserved: only confirmed orders hold reservations", not wrong, _some(wrong)
    )


def _nothing_left(evidence: Evidence) -> Check:
    wrong = [
        f"{q.queue}: {q.visible} visible, {q.in_flight} in flight"
        for q in evidence.queues
        if q.visible or q.in_flight or q.delayed
    ]
    if evidence.tables.unpublished:
        wrong.append(f"outbox: {evidence.tables.unpublished}")
    return Check("queues and outbox are empty", not wrong, _some(wrong))


def _technical_failures(evidence: Evidence) -> Check:
    expected = {o for o, p in evidence.planned.items() if p.kind == "technical"}
    dead = [m for m in evidence.first_dead["payment"] if m.order_id]
    wrong = sorted(expected ^ {m.order_id for m in dead})
    # If a worker is killed, SQS may dead-letter its message, without a reason.
    if not evidence.restarts:
        wrong += [
            f"{m.order_id} after {m.attempts}" for m in dead if m.attempts != evidence.max_attempts
        ]
    return Check(
        "technical failures were dead-lettered after the last attempt", not wrong, _some(wrong)
    )


def _only_planted(evidence: Evidence) -> Check:
    bodies = Counter(m.body for letters in evidence.last_dead.values() for m in letters)
    wrong = sorted((bodies - Counter(evidence.malformed)) + (Counter(evidence.malformed) - bodies))
    unexplained = [m.id for m in evidence.last_dead["payment"] if m.type != "malformed"]
    return Check(
        "dead-letter queues hold only the malformed message, with its reason",
        not wrong and not unexplained,
        f"{len(wrong)} unexpected or missing" if wrong else _some(unexplained),
    )


def _duplicates(evidence: Evidence) -> Check:
    repeated = evidence.logs.repeated
    return Check("the duplicate event was detected", repeated >= 1, f"{repeated} repeated")


def _mails(evidence: Evidence) -> Check:
    addressed = Counter(address for mail in evidence.mails for address in mail["to"])
    without = [p.email for p in evidence.planned.values() if not addressed[p.email]]
    return Check("every customer received an email", not without, f"{len(without)} did not")


def _counters(evidence: Evidence) -> Check:
    counters = evidence.tables.counters
    created, confirmed = counters.get("order.created", 0), counters.get("order.confirmed", 0)
    revenue = counters.get("revenue.EUR", 0)
    expected = evidence.tables.revenue
    placed = len(evidence.planned)
    held = created == placed and revenue == expected
    return Check(
        "analytics counted every order and its revenue once",
        held,
        f"{created} of {placed} created, {confirmed} confirmed, revenue {revenue} of {expected}",
    )


def _privacy(evidence: Evidence) -> Check:
    seen = [p.number for p in evidence.planned.values() if p.email in evidence.logs.text]
    return Check(
        "no log contains a customer's address", bool(evidence.logs.text) and not seen, _some(seen)
    )


def _some(things: Sequence[object]) -> str:
    return ", ".join(str(thing) for thing in things[:3]) + (" ..." if len(things) > 3 else "")  # noqa: PLR2004 - enough to start looking
