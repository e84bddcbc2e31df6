"""Every invariant fails on evidence with a single thing wrong."""

import json
from dataclasses import replace

import pytest
from chaos.honest import (
    ORDERS,
    SKU,
    acknowledged,
    dead_letter,
    events,
    honest,
    log,
    queue,
)

from local.chaos.checker import INVARIANTS, check
from local.chaos.evidence import Event, LogLine, Planted
from local.chaos.history import Op
from workers.aws.outbox_leases import ShardLease
from workers.samples import SampleOrder


def row(evidence, table, key, **changes):
    evidence.tables[table][key] = {**evidence.tables[table].get(key, {}), **changes}
    return evidence


def without(evidence, table, key):
    del evidence.tables[table][key]
    return evidence


def altered(event, **fields):
    return Event.read(json.dumps(event.fields | fields))


def heard(evidence, *more):
    return replace(evidence, audit=[*evidence.audit, *more])


def unheard(evidence, lost):
    return replace(evidence, audit=[event for event in evidence.audit if event.id != lost.id])


def logged(evidence, *lines):
    return replace(evidence, log=[*evidence.log, *lines])


def handled_in(evidence, *kinds):
    """Let one inventory worker start these events of order 2 in this order, on FIFO queues."""
    sent = {"created": TOLD[2][0], "cancelled": TOLD[2][3]}
    for position, (kind, event) in enumerate(sent.items()):
        row(
            evidence,
            "inventory",
            f"inbox#{event.key}",
            worker="worker-1",
            sentAt=f"2026-11-21T12:00:0{position}Z",
            startedAt=f"2026-11-21T12:00:1{kinds.index(kind)}Z",
        )
    return replace(evidence, ordered=True)


TOLD = events()
CREATED, PAID, RESERVED, CONFIRMED = TOLD[1]
REFUSED = Op("failed", "place", "key-1", 1)

# Changes of the evidence, each with an invariant that it breaks. It may break others, too.
PLANTED = {
    "an acknowledged order does not exist": ("I1", lambda e: without(e, "orders", "order#order-1")),
    "an order exists twice": (
        "I1",
        lambda e: row(e, "orders", "order#twin", **e.tables["orders"]["order#order-1"]),
    ),
    "an order that was refused exists": (
        "I1",
        lambda e: replace(e, history=[REFUSED, *(op for op in e.history if op.number != 1)]),
    ),
    "an order exists that was never placed": (
        "I1",
        lambda e: row(
            e,
            "orders",
            "order#stranger",
            customerEmail="a@b",
            state="pending",
            totalAmount="1",
            history=[],
        ),
    ),
    "an order has no payment": ("I2", lambda e: without(e, "payment", "payment#order-1")),
    "an order has no reservation": (
        "I2",
        lambda e: without(e, "inventory", "reservation#order-1"),
    ),
    "a payment has another amount": (
        "I2",
        lambda e: row(e, "payment", "payment#order-1", amount="99.00"),
    ),
    "a payment has no order": ("I2", lambda e: row(e, "payment", "payment#stranger", state="x")),
    "a reservation has no order": (
        "I2",
        lambda e: row(e, "inventory", "reservation#stranger", state="released"),
    ),
    "an order is charged twice": (
        "I2",
        lambda e: row(
            e, "payment", "ledger#again", kind="charge", orderId="order-1", amount="10.00"
        ),
    ),
    "a bucket has units too many": (
        "I3",
        lambda e: row(e, "inventory", f"bucket#1#{SKU}", available=1, reserved=0),
    ),
    "stock is lost": ("I3", lambda e: row(e, "inventory", f"stock#{SKU}", available=6)),
    "stock is negative": (
        "I3",
        lambda e: row(e, "inventory", f"stock#{SKU}", available=-1, reserved=11),
    ),
    "stock is reserved without an order": (
        "I3",
        lambda e: row(e, "inventory", f"stock#{SKU}", available=6, reserved=4),
    ),
    "a cancelled order keeps its payment": (
        "I4",
        lambda e: row(e, "payment", "payment#order-2", state="completed", amount="10.00"),
    ),
    "a cancelled order keeps its stock": (
        "I4",
        lambda e: row(e, "inventory", "reservation#order-2", state="reserved", items=[]),
    ),
    "a shipped order still holds its stock": (
        "I4",
        lambda e: row(e, "orders", "order#order-1", state="shipped"),
    ),
    "stock is shipped twice": (
        "I3",
        lambda e: row(e, "inventory", "reservation#order-1", state="shipped"),
    ),
    "a cancelled order is not refunded": (
        "I4",
        lambda e: row(e, "payment", "ledger#2", kind="charge", orderId="order-2", amount="10.00"),
    ),
    "an order does not end": ("I5", lambda e: row(e, "orders", "order#order-1", state="pending")),
    "an order does not end as planned": (
        "I5",
        lambda e: row(e, "orders", "order#order-2", state="confirmed"),
    ),
    "an order has no beginning": ("I5", lambda e: row(e, "orders", "order#order-1", history=[])),
    "a message waits": ("I6", lambda e: replace(e, queues=[queue("orders", visible=1)])),
    "a message is in flight": ("I6", lambda e: replace(e, queues=[queue("orders", in_flight=1)])),
    "a message is delayed": ("I6", lambda e: replace(e, queues=[queue("orders", delayed=1)])),
    "a dead letter has no reason": (
        "I6",
        lambda e: replace(e, dead={"payment": [dead_letter(type="unknown")]}),
    ),
    "a row waits in the outbox": (
        "I7",
        lambda e: row(e, "orders", f"outbox#{CREATED.id}", outboxShard="1"),
    ),
    "an outbox event is not published": ("I7", lambda e: unheard(e, CREATED)),
    "an outcome is not published": ("I7", lambda e: unheard(e, CONFIRMED)),
    "an event differs from the committed one": (
        "I7",
        lambda e: heard(unheard(e, PAID), altered(PAID, occurredAt="later")),
    ),
    "an event is published that was never committed": (
        "I7",
        lambda e: heard(e, altered(PAID, eventId="stranger")),
    ),
    "an outcome has a random id": ("I8", lambda e: heard(e, altered(PAID, eventId="own"))),
    "copies of an event differ": ("I8", lambda e: heard(e, altered(PAID, occurredAt="later"))),
    "an event is not handled": ("I9", lambda e: without(e, "payment", f"inbox#{CREATED.key}")),
    "an event is handled that was never published": (
        "I9",
        lambda e: row(e, "payment", "inbox#order-api#stranger", outcomes=[]),
    ),
    "an event is counted twice": (
        "I9",
        lambda e: row(e, "analytics", "hour#2026-11-21T13#4", **{"order.created": 1}),
    ),
    "an event is not counted": (
        "I9",
        lambda e: row(e, "analytics", "hour#2026-11-21T12#0", **{"order.created": 2}),
    ),
    "an event has another correlation id": (
        "I10",
        lambda e: heard(unheard(e, PAID), altered(PAID, correlationId="other")),
    ),
    "an event has a cause that was never published": (
        "I10",
        lambda e: heard(unheard(e, PAID), altered(PAID, causationId="other")),
    ),
    "an outcome has no cause": (
        "I10",
        lambda e: heard(unheard(e, PAID), altered(PAID, causationId=None)),
    ),
    "a repeated request gets another response": (
        "I11",
        lambda e: replace(e, history=[*e.history, acknowledged(1, body="another answer")]),
    ),
    "an acknowledged request has no record": (
        "I11",
        lambda e: without(e, "orders", "inbox#order-api#key-1"),
    ),
    "a process ends by itself": ("I12", lambda e: replace(e, exits=[("orders-1", 1)])),
    "a process is killed that was not to be killed": (
        "I12",
        lambda e: replace(e, exits=[("orders-1", -9)]),
    ),
    "a process that had started is ended by SIGTERM": (
        "I12",
        lambda e: replace(e, exits=[("payment-1", -15)]),
    ),
    "a process aborts without a planted order": (
        "I12",
        lambda e: replace(e, exits=[("payment-1", -6)]),
    ),
    "an error is unexpected": (
        "I12",
        lambda e: logged(e, log("payment", event="message.settled", stack="Traceback ...")),
    ),
    "a process dies with a traceback": (
        "I12",
        lambda e: logged(e, LogLine("payment-1.log", "Traceback (most recent call last):", {})),
    ),
    "an innocent message is dead-lettered": (
        "I13",
        lambda e: replace(
            e, dead={**e.dead, "orders": [dead_letter(id="letter-1", order_id="order-1")]}
        ),
    ),
    "a planted message is not dead-lettered": ("I13", lambda e: replace(e, dead={})),
    "a planted message is dead-lettered twice": (
        "I13",
        lambda e: replace(
            e, repeats=False, dead={"payment": [dead_letter(), dead_letter(id="letter-4")]}
        ),
    ),
    "a planted message is dead-lettered for another reason": (
        "I13",
        lambda e: replace(e, dead={"payment": [dead_letter(reason="who knows")]}),
    ),
    "a shard has two owners": (
        "I14",
        lambda e: replace(e, leases=[ShardLease(0, "a", 1), ShardLease(0, "b", 1)]),
    ),
    "a fence decreases": (
        "I14",
        lambda e: replace(e, leases=[ShardLease(0, "a", 2), ShardLease(0, "b", 1)]),
    ),
    "an event is handled twice": (
        "I15",
        lambda e: logged(
            e, log("payment", event="message.settled", outcome="handled", eventId=CREATED.id)
        ),
    ),
    "a queue counts other dead letters": (
        "I15",
        lambda e: replace(e, queues=[queue("payment", dead=2)]),
    ),
    "an address is in a log": (
        "I16",
        lambda e: logged(e, log("payment", event="x", to=ORDERS[1].email)),
    ),
    "an event overtakes an earlier one of its order": (
        "I17",
        lambda e: handled_in(e, "cancelled", "created"),
    ),
    "an address is in the reason of a dead letter": (
        "I16",
        lambda e: replace(
            e,
            dead={"payment": [dead_letter(reason=f"payment is broken: {ORDERS[1].email}")]},
        ),
    ),
}


@pytest.mark.parametrize("ordered", [True, False])
def test_events_in_order_and_any_order_on_standard_queues_are_no_violation(ordered):
    kinds = ("created", "cancelled") if ordered else ("cancelled", "created")
    assert check(replace(handled_in(honest(), *kinds), ordered=ordered)) == []


def test_a_run_without_faults_has_no_violations():
    assert check(honest()) == []


@pytest.mark.parametrize("planted", PLANTED)
def test_the_checker_notices_that(planted):
    invariant, spoil = PLANTED[planted]
    broken = check(spoil(honest()))
    assert invariant in {violation.invariant for violation in broken}


def test_every_invariant_can_fail():
    assert {invariant for invariant, _ in PLANTED.values()} == set(INVARIANTS)


def test_a_violation_names_the_ids_involved():
    [violation] = check(without(honest(), "orders", "inbox#order-api#key-1"))
    assert violation.ids == ("key-1",)


@pytest.mark.parametrize("orders", [0, 1])
def test_an_order_with_an_unknown_outcome_exists_at_most_once(orders):
    evidence = honest()
    nobody = SampleOrder(4, "success", ((SKU, 1),))
    evidence.planned[4] = nobody
    unknown = [Op("invoked", "place", "key-4", 4), Op("unknown", "place", "key-4", 4)]
    if orders:
        same = {**evidence.tables["orders"]["order#order-1"], "customerEmail": nobody.email}
        row(evidence, "orders", "order#order-4", **same)
    broken = check(replace(evidence, history=[*evidence.history, *unknown]))
    assert [v for v in broken if v.invariant == "I1"] == []


def test_a_shipped_order_takes_its_units_out_of_the_stock():
    evidence = honest()
    row(evidence, "orders", "order#order-1", state="shipped")
    row(evidence, "inventory", "reservation#order-1", state="shipped")
    row(evidence, "inventory", f"stock#{SKU}", available=7, reserved=1)
    broken = check(evidence)
    assert {v.invariant for v in broken} <= {"I5"}  # the plan does not ship


def test_an_order_whose_cancellation_is_unknown_may_be_confirmed():
    evidence = honest()
    evidence.planned[1] = SampleOrder(1, "cancelled", ((SKU, 2),))
    unknown = Op("unknown", "cancel", "key-1-cancel", 1)
    assert check(replace(evidence, history=[*evidence.history, unknown])) == []


def test_an_order_whose_cancellation_was_acknowledged_must_be_cancelled():
    evidence = honest()
    evidence.planned[1] = SampleOrder(1, "cancelled", ((SKU, 2),))
    row(evidence, "orders", "inbox#order-api#key-1-cancel", outcomes=[])
    done = Op("acknowledged", "cancel", "key-1-cancel", 1, order_id="order-1")
    broken = check(replace(evidence, history=[*evidence.history, done]))
    assert {v.invariant for v in broken} >= {"I5"}


def test_a_planted_order_that_was_never_placed_is_not_missed():
    evidence = honest()
    planted = Planted("payment", "", "earlier deliveries ended the worker", number=4)
    assert check(replace(evidence, planted=[*evidence.planted, planted])) == []


def test_a_dead_letter_may_have_a_copy_when_requests_were_repeated():
    letters = [dead_letter(), dead_letter(id="letter-4")]
    counts = [queue("payment", dead=2)]
    assert check(replace(honest(), repeats=True, dead={"payment": letters}, queues=counts)) == []


def test_a_process_may_be_stopped_before_it_has_started():
    assert check(replace(honest(), exits=[("payment-2", -15)], kills={}, log=[])) == []


def test_a_process_may_abort_on_a_planted_order():
    planted = Planted("payment", "", "earlier deliveries ended the worker", number=3)
    letter = dead_letter(reason="earlier deliveries ended the worker")
    evidence = replace(
        honest(),
        exits=[("payment-1", -6)],
        planted=[planted],
        dead={"payment": [letter]},
    )
    assert check(evidence) == []
