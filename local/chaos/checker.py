"""The invariants of a chaos run, whatever the faults.

Each is a pure function that yields its violations, with the ids to look for. The orders form a
queue as in Jepsen's total-queue checker: no acknowledged order is lost, no order exists that was
not requested, and an order with an unknown answer exists once or not at all.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import pairwise
from signal import SIGTERM
from typing import Final

from local.chaos.evidence import Event, Evidence, money
from local.chaos.history import CANCEL, PLACE, REFUND, verdicts
from workers.envelope import outcome_id
from workers.ops.stock_buckets import OPERATOR
from workers.services.stock import listed

# Order state -> possible final states of its payment and of its reservation.
PAID: Final = {
    "confirmed": {"completed"},
    "shipped": {"completed"},
    "cancelled": {"failed", "cancelled", "refunded"},
    "refunded": {"refunded"},
}
HELD: Final = {
    "confirmed": {"reserved"},
    "shipped": {"shipped"},
    "cancelled": {"failed", "cancelled", "released"},
    "refunded": {"shipped"},
}
KEEPS_THE_MONEY: Final = ("confirmed", "shipped")
KILLED: Final = -9
ABORTED: Final = -6
STOPPED: Final = 0
UNPLANNED: Final = "unplanned dead letter"


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant, with the ids to look for."""

    invariant: str
    what: str
    ids: tuple[str, ...] = ()


Check = Callable[[Evidence], Iterator[Violation]]


def check(evidence: Evidence, *, without: Container[str] = ()) -> list[Violation]:
    """Check every invariant except those in ``without``, whose services did not run."""
    chosen = [each for name, each in INVARIANTS.items() if name not in without]
    return [violation for each in chosen for violation in each(evidence)]


def acknowledged_exist(e: Evidence) -> Iterator[Violation]:
    """I1: every acknowledged order exists, and every order was requested and exists once."""
    by_email: dict[str, list[str]] = {}
    for order_id, order in e.orders.items():
        by_email.setdefault(str(order["customerEmail"]), []).append(order_id)
    placed = {op.number: op for op in verdicts(e.history, PLACE).values()}
    for number, planned in e.planned.items():
        found, op = by_email.pop(planned.email, []), placed.get(number)
        if len(found) > 1:
            yield _v1(f"doubled: order {number} exists {len(found)} times", *found)
        if op and op.type == "acknowledged" and op.order_id not in found:
            yield _v1(f"lost: order {number} was acknowledged but does not exist", op.order_id)
        if found and (op is None or op.type == "failed"):
            yield _v1(f"phantom: order {number} was refused but exists", *found)
    for order_ids in by_email.values():
        yield _v1("phantom: no customer placed this order", *order_ids)


def one_payment_and_one_reservation(e: Evidence) -> Iterator[Violation]:
    """I2: every order has one payment of its amount and one reservation."""
    payments, reservations = e.rows("payment", "payment#"), e.rows("inventory", "reservation#")
    charges = Counter(str(x["orderId"]) for x in e.ledger if x["kind"] == "charge")
    for order_id, times in charges.items():
        if times > 1:
            yield _v2(f"doubled: charged {times} times", order_id)
    for order_id, order in e.orders.items():
        payment = payments.pop(order_id, None)
        reservation = reservations.pop(order_id, None)
        if e.number_of(order_id) not in e.poisoned and payment is None:
            yield _v2("lost: no payment", order_id)
        if reservation is None:
            yield _v2("lost: no reservation", order_id)
        if payment and "amount" in payment:
            paid, total = money(payment["amount"]), money(order["totalAmount"])
            if paid != total:
                yield _v2(f"the payment is {paid}, the order total {total}", order_id)
    for order_id in payments:
        yield _v2("phantom: a payment without an order", order_id)
    for order_id in reservations:
        yield _v2("phantom: a reservation without an order", order_id)


def stock_is_conserved(e: Evidence) -> Iterator[Violation]:
    """I3: available, reserved and shipped stock is the initial stock; reservations add up."""
    held: dict[str, Counter[str]] = {"reserved": Counter(), "shipped": Counter()}
    for reservation in e.rows("inventory", "reservation#").values():
        units = held.get(str(reservation["state"]))
        if units is not None:
            for line in reservation["items"]:
                units[line["sku"]] += line["quantity"]
    wanted, shipped = held["reserved"], held["shipped"]
    rows = {key: dict(row) for key, row in e.tables["inventory"].items()}
    stock = {each.sku: each for each in listed(rows)}
    for sku, seeded in e.seeded.items():
        available, reserved = stock[sku].available, stock[sku].reserved
        if available + reserved + shipped[sku] != seeded:
            left = f"{reserved} reserved, {shipped[sku]} shipped"
            yield _v3(f"{sku}: {available} available, {left}, initial stock {seeded}")
        if min(available, reserved) < 0:
            yield _v3(f"{sku}: {available} available, {reserved} reserved")
        if reserved != wanted[sku]:
            yield _v3(f"{sku}: {reserved} reserved, reservations total {wanted[sku]}")


def cancelled_orders_hold_nothing(e: Evidence) -> Iterator[Violation]:
    """I4: a cancelled order keeps no money and no stock; a confirmed or shipped one has both."""
    payments, reservations = e.rows("payment", "payment#"), e.rows("inventory", "reservation#")
    taken: dict[str, Decimal] = {}
    for line in e.ledger:
        sign = {"charge": 1, "refund": -1}.get(str(line["kind"]), 0)
        order_id = str(line["orderId"])
        taken[order_id] = taken.get(order_id, Decimal(0)) + sign * money(line["amount"])
    for order_id, order in e.orders.items():
        state = str(order["state"])
        if state not in PAID:
            continue
        paid = payments.get(order_id, {}).get("state", "nothing")
        held = reservations.get(order_id, {}).get("state", "nothing")
        if paid not in PAID[state]:
            yield _v4(f"the order is {state}, its payment {paid}", order_id)
        if held not in HELD[state]:
            yield _v4(f"the order is {state}, its reservation {held}", order_id)
        due = money(order["totalAmount"]) if state in KEEPS_THE_MONEY else Decimal(0)
        if taken.get(order_id, Decimal(0)) != due:
            yield _v4(
                f"the order is {state}, {taken.get(order_id, 0)} was charged, not {due}", order_id
            )


def every_order_ends(e: Evidence) -> Iterator[Violation]:
    """I5: every order reached its planned state."""
    withdrawn = {
        op.number
        for action in (CANCEL, REFUND)
        for op in verdicts(e.history, action).values()
        if op.type == "acknowledged"
    }
    for order_id, order in e.orders.items():
        number = e.number_of(order_id)
        planned = e.planned.get(number)
        if planned is None:
            continue  # I1
        state, ends = str(order["state"]), {planned.ends}
        if number in e.poisoned:
            ends = {"pending"}
        elif planned.kind in ("cancelled", "refunded") and number not in withdrawn:
            ends = {"cancelled", "confirmed"}
        if state not in ends:
            yield _v5(f"lost: order {number} ({planned.kind}) is {state}", order_id)
        if not any(entry["eventType"] == "order.created" for entry in order["history"]):
            yield _v5(f"the history of order {number} has no order.created", order_id)


def queues_are_empty(e: Evidence) -> Iterator[Violation]:
    """I6: all queues are empty, and every dead letter has a reason."""
    for queue in e.queues:
        if queue.visible or queue.in_flight or queue.delayed:
            counts = f"{queue.visible} visible, {queue.in_flight} in flight"
            yield _v6(f"{queue.queue}: {counts}, {queue.delayed} delayed")
    for service, letters in e.dead.items():
        for letter in letters:
            if letter.type == "unknown":
                yield _v6(f"a dead letter of {service} has no reason", letter.id)


def committed_events_are_delivered(e: Evidence) -> Iterator[Violation]:
    """I7: exactly the committed events were delivered, byte for byte."""
    delivered: dict[str, set[str]] = {}
    for event in e.audit:
        delivered.setdefault(event.id, set()).add(event.body)
    for event_id, row in e.rows("orders", "outbox#").items():
        if "outboxShard" in row:
            yield _v7("lost: still unpublished in the outbox", event_id)
        if row["body"] not in delivered.get(event_id, ()):
            yield _v7("lost: never delivered as committed", event_id)
    committed = committed_events(e)
    for event_id, body in committed.items():
        if body not in delivered.get(event_id, ()):
            yield _v7("lost: committed but not delivered", event_id)
    for event_id in delivered.keys() - committed.keys():
        yield _v7("phantom: delivered but never committed", event_id)


def ids_are_deterministic(e: Evidence) -> Iterator[Violation]:
    """I8: an outcome's id derives from its cause, and all copies of an event are identical."""
    bodies: dict[str, set[str]] = {}
    for event in e.audit:
        bodies.setdefault(event.id, set()).add(event.body)
        cause = event.fields.get("causationId")
        if cause and event.id not in _possible_ids(str(cause), event):
            yield _v8(
                f"doubled: the id of {event.type} of {event.source} is not derived from its cause",
                event.id,
            )
    for event_id, different in bodies.items():
        if len(different) > 1:
            yield _v8(f"{len(different)} different events have the same id", event_id)


def delivered_events_are_handled(e: Evidence) -> Iterator[Violation]:
    """I9: every service handled each of its events once, and analytics counted it once."""
    once = {event.key: event for event in e.audit}
    for service, types in e.consumes.items():
        due = {key for key, event in once.items() if event.type in types}
        due -= {key for key, event in once.items() if _is_poison(e, service, event)}
        rows = e.rows(e.table_of[service], "inbox#")
        handled = {key for key in rows if not key.startswith(OPERATOR)}
        if service == "orders":
            handled = {key for key in handled if not key.startswith("order-api#")}
        for key in sorted(due - handled):
            yield _v9(f"lost: {service} has not handled this event", key)
        for key in sorted(handled - due):
            yield _v9(f"phantom: {service} handled an event that was not delivered", key)
    yield from _counted_once(e, once.values())


def events_have_causes(e: Evidence) -> Iterator[Violation]:
    """I10: every event has the correlation id of its order, and a cause that was delivered."""
    ids = {event.id for event in e.audit}
    roots = {event.order_id: event.id for event in e.audit if event.type == "order.created"}
    for event in {event.id: event for event in e.audit}.values():
        if event.fields.get("correlationId") != roots.get(event.order_id):
            yield _v10(f"{event.type} does not have the correlation id of its order", event.id)
        cause = event.fields.get("causationId")
        if (cause is None) != (event.source == "order-api") or (cause and cause not in ids):
            yield _v10(
                f"{event.type} from {event.source} has no cause that was delivered", event.id
            )


def repeated_requests_get_one_answer(e: Evidence) -> Iterator[Violation]:
    """I11: all acknowledgements of a request are identical."""
    answers: dict[str, set[str]] = {}
    for op in e.history:
        if op.type == "acknowledged":
            answers.setdefault(op.key, set()).add(op.body)
    records = e.rows("orders", "inbox#order-api#")
    for key, bodies in answers.items():
        if len(bodies) > 1:
            yield _v11(f"doubled: {len(bodies)} different answers to one request", key)
        if key not in records:
            yield _v11("lost: an acknowledged request has no record", key)


def processes_end_as_planned(e: Evidence) -> Iterator[Violation]:
    """I12: processes ended only as planned: killed, crashed at a crash point, or stopped."""
    crashes = Counter(_process(line.file) for line in e.log if line.fields.get("event") == "crash")
    aborts = bool([planted for planted in e.planted if "ended the worker" in planted.reason])
    started = {_process(line.file) for line in e.log}
    killed: Counter[str] = Counter()
    for name, code in e.exits:
        if code == KILLED:
            killed[name] += 1
        elif code == -SIGTERM and name not in started:
            continue  # stopped before it could install its handler, so before it could do anything
        elif code != STOPPED and not (code == ABORTED and aborts and name.startswith("payment")):
            yield _v12(f"{name} exited with code {code}", f"{name}.log")
    for name, times in killed.items():
        planned = crashes[name] + e.kills.get(name, 0)
        if times > planned:
            yield _v12(f"{name} was killed {times} times, planned were {planned}", f"{name}.log")
    for line in e.log:
        if "stack" in line.fields or line.text.startswith("Traceback"):
            why = line.fields.get("errorType") or line.fields.get("event") or "a traceback"
            yield _v12(f"unexpected: {why}", line.file, str(line.fields.get("eventId", "")))


def dead_letters_are_planned(e: Evidence) -> Iterator[Violation]:
    """I13: the dead letters are the planned ones, with their reasons, and copies of them."""
    left = [(service, letter) for service, letters in e.dead.items() for letter in letters]
    there = {e.number_of(order_id) for order_id in e.orders} | {0}
    for planted in e.planted:
        if planted.number not in there:
            continue  # its customer gave up before the order existed
        mine = [
            (service, letter)
            for service, letter in left
            if service == planted.service
            and (letter.body == planted.body or _number(e, letter.order_id) == planted.number != 0)
        ]
        if not mine or (len(mine) > 1 and not e.repeats):
            yield _v13(f"{len(mine)} dead letters of {planted.service} for: {planted.reason}")
        for found in mine:
            left.remove(found)
            letter = found[1]
            alike = planted.type in ("", letter.type) and planted.reason in letter.reason
            if not alike:
                wanted = f"{planted.type or 'any type'}: {planted.reason}"
                yield _v13(
                    f"expected {wanted}, dead-lettered as {letter.type}: {letter.reason}",
                    letter.id,
                )
    for service, letter in left:
        ids = tuple(filter(None, (letter.id, letter.event_id, letter.order_id)))
        yield _v13(f"{UNPLANNED} of {service}: {letter.type}: {letter.reason}", *ids)


def leases_have_one_owner(e: Evidence) -> Iterator[Violation]:
    """I14: a shard has one owner per fence, and fences only increase."""
    owners: dict[tuple[int, int], str] = {}
    highest: dict[int, int] = {}
    for seen in e.leases:
        if owners.setdefault((seen.shard, seen.fence), seen.owner) != seen.owner:
            yield _v14(f"shard {seen.shard} has two owners under fence {seen.fence}")
        if seen.fence < highest.get(seen.shard, 0):
            yield _v14(f"the fence of shard {seen.shard} decreased to {seen.fence}")
        highest[seen.shard] = max(seen.fence, highest.get(seen.shard, 0))


def figures_agree(e: Evidence) -> Iterator[Violation]:
    """I15: logs report each event as handled once, and queue depths match dead letters."""
    claims = Counter(
        (str(line.fields["service"]), str(line.fields["eventId"]))
        for line in e.log
        if line.fields.get("event") == "message.settled"
        and line.fields.get("outcome") == "handled"
        and line.fields.get("eventId")
    )
    for (service, event_id), times in claims.items():
        if times > 1:
            yield _v15(
                f"doubled: {service} logged {times} times that it handled this event", event_id
            )
    for queue in e.queues:
        if queue.dead != len(e.dead.get(queue.service, ())):
            yield _v15(
                f"{queue.queue}: {queue.dead} dead letters counted, a different number found"
            )


def no_address_is_exposed(e: Evidence) -> Iterator[Violation]:
    """I16: no log line and no dead-letter reason contains a customer's address."""
    for line in e.log:
        if "customer-" in line.text and any(email in line.text for email in e.by_email):
            yield _v16("a log contains a customer's address", line.file)
    for letters in e.dead.values():
        for letter in letters:
            if any(email in letter.reason for email in e.by_email):
                yield _v16("the reason of a dead letter contains a customer's address", letter.id)


def orders_are_handled_in_order(e: Evidence) -> Iterator[Violation]:
    """I17: on FIFO queues, a worker starts the events of an order in the order of its queue.

    Only what one process handled is compared: the clocks of others may be shifted.
    """
    if not e.ordered:
        return
    order_of = {event.key: event.order_id for event in e.audit}
    for service in e.consumes:
        lanes: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        for key, row in e.rows(e.table_of[service], "inbox#").items():
            if key in order_of and "startedAt" in row:
                lane = lanes.setdefault((order_of[key], str(row["worker"])), [])
                lane.append((str(row["sentAt"]), str(row["startedAt"]), key))
        for (order_id, _), lane in lanes.items():
            for before, after in pairwise(sorted(lane)):
                if before[0] < after[0] and after[1] < before[1]:
                    yield _v17(f"{service} handled {after[2]} before {before[2]}", order_id)


INVARIANTS: Final[dict[str, Check]] = {
    "I1": acknowledged_exist,
    "I2": one_payment_and_one_reservation,
    "I3": stock_is_conserved,
    "I4": cancelled_orders_hold_nothing,
    "I5": every_order_ends,
    "I6": queues_are_empty,
    "I7": committed_events_are_delivered,
    "I8": ids_are_deterministic,
    "I9": delivered_events_are_handled,
    "I10": events_have_causes,
    "I11": repeated_requests_get_one_answer,
    "I12": processes_end_as_planned,
    "I13": dead_letters_are_planned,
    "I14": leases_have_one_owner,
    "I15": figures_agree,
    "I16": no_address_is_exposed,
    "I17": orders_are_handled_in_order,
}


def committed_events(e: Evidence) -> dict[str, str]:
    """Return the body of every committed event by id: outcomes, and events of order-api."""
    events = {i: str(row["body"]) for i, row in e.rows("orders", "outbox#").items()}
    for table in e.tables:
        for row in e.rows(table, "inbox#").values():
            for body in row["outcomes"]:
                events[Event.read(body).id] = body
    return events


def _possible_ids(cause: str, event: Event) -> set[str]:
    """Return the ids that an outcome may have: as the first or the second of its type."""
    return {outcome_id(cause, event.source, event.type, position) for position in range(2)}


def _is_poison(e: Evidence, service: str, event: Event) -> bool:
    return event.type == "order.created" and any(
        planted.service == service
        and planted.number
        and planted.number == _number(e, event.order_id)
        for planted in e.planted
    )


def _counted_once(e: Evidence, events: Iterable[Event]) -> Iterator[Violation]:
    """Compare the counters of analytics with the deliveries: a counter would count repeats."""
    delivered = Counter(event.type for event in events)
    counted: Counter[str] = Counter()
    for row in e.rows("analytics", "hour#").values():
        counted.update({name: int(row[name]) for name in row if name in delivered})
    for name, times in delivered.items():
        if "analytics" in e.consumes and counted[name] != times:
            kind = "doubled" if counted[name] > times else "lost"
            yield _v9(f"{kind}: analytics counted {counted[name]} {name}, {times} were delivered")


def _number(e: Evidence, order_id: str) -> int:
    return e.number_of(order_id) if order_id else 0


def _process(file: str) -> str:
    return file.removesuffix(".log")


def _violation(invariant: str, what: str, *ids: str) -> Violation:
    return Violation(invariant, what, ids)


(_v1, _v2, _v3, _v4, _v5, _v6, _v7, _v8, _v9, _v10, _v11, _v12, _v13, _v14, _v15, _v16, _v17) = (
    partial(_violation, invariant) for invariant in INVARIANTS
)
