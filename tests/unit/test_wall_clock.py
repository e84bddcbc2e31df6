"""A jump of the wall clock affects only the modules in the table, and only as it says.

Waits and timeouts use the monotonic clock, which does not jump.
"""

import ast
import importlib
import inspect
import pkgutil
import time
from itertools import cycle
from pathlib import Path

import pytest
from support.builders import a_cancellation, a_payment, a_reservation
from support.fakes import FakeClock
from support.harness import Harness

from workers import runtime
from workers.services import lifecycle
from workers.services.order import Order

ROOT = Path(runtime.__file__).parents[1]
JUMP = 600.0  # s

# The modules that read the wall clock, and the effect of a jump of ten minutes.
READERS = {
    "api/rate.py": "a caller's minute ends early or late: up to twice the limit, or less than it",
    "aws/dynamodb.py": "an inbox row says a wrong time, and expires ten minutes off, of 90 days",
    "aws/heartbeats.py": "a heartbeat expires ten minutes early or late, of a day",
    "aws/mail_allowance.py": "a recipient's hour ends early or late: up to twice the limit",
    "aws/outbox.py": "a published row goes ten minutes early or late, of 7 days",
    "aws/outbox_leases.py": "a relay of the version before takes a shard early or late; fenced off",
    "aws/signer.py": "AWS refuses signatures that are older than five minutes, or as far ahead",
    "aws/sqs.py": "a dead letter says a wrong time",
    "bootstrap.py": "history, counters and sent mails get a wrong time; order and sums stay right",
    "cli/audit.py": "records of one more or one fewer day are listed",
    "cli/counts.py": "other hours are summed",
    "cli/events.py": "an event seems too old, or young enough, to be published by hand",
    "cli/orders.py": "orders of a slightly different age are listed",
    "cli/reconcile.py": "orders of the last ten minutes are left out, or compared too soon",
    "cli/outbox.py": "an event seems to wait for longer or shorter",
    "cli/schema.py": "a deprecation ends a day early or late",
    "envelope.py": "an event says a wrong time; the relay takes it earlier or later than others",
    "ops/audit.py": "a record says a wrong time, and may stand under another day",
    "ops/operations.py": "a redrive says a wrong time",
    "ops/doctor/examine.py": "the jump is a finding",
    "ops/doctor/topic.py": "metrics of another ten minutes are read",
    "ops/rebuild.py": "an inbox row expires ten minutes off; more or fewer events are counted twice"
    " over, which the inbox of the generation ignores",
    "ops/replay.py": "more or fewer events count as forgotten",
    "ops/heartbeats.py": "only if AWS's answer has no time: workers seem silent, or a pause over",
    "ops/live.py": "an event seems to wait for longer or shorter",
    "ops/overview.py": "CloudWatch has no values of the future; ages come from the workers",
    "relay/relay.py": "shards change hands, or are looked at later; the fence keeps them apart",
    "runtime/observability/emf.py": "a figure gets a wrong time",
    "runtime/observability/logs.py": "a log line gets a wrong time",
    "runtime/observability/canonical_line.py": "one figure of an age is wrong, and never negative",
    "runtime/assembly.py": "the trail of a message's attempts and its record say wrong times; a "
    "pause ends early or late until it is read again; a worker seems silent",
    "runtime/inbox.py": "an inbox row says a wrong time of its start",
    "tracing/queue.py": "a span says a wrong time",
}


def _reads_the_wall_clock(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name("time"), attr="time" | "time_ns"):
                return True
            case ast.Call(func=ast.Name("gmtime" | "localtime"), args=[]):
                return True
            case ast.Attribute(
                attr="now" | "utcnow" | "today", value=ast.Name("datetime" | "date")
            ):
                return True
    return False


def test_every_module_that_reads_the_wall_clock_is_in_the_table():
    """Add a new one with the effect of a jump."""
    readers = {
        str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if _reads_the_wall_clock(path)
    }
    assert readers - set(READERS) == set()


def _clocks():
    """Return every default of a parameter ``now`` in the runtime, by its owner's name."""
    for found in pkgutil.iter_modules(runtime.__path__):
        module = importlib.import_module(f"{runtime.__name__}.{found.name}")
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", "") != module.__name__ or not callable(thing):
                continue
            try:
                now = inspect.signature(thing).parameters.get("now")
            except ValueError:  # an exception without its own __init__
                continue
            if now is not None and now.default is not inspect.Parameter.empty:
                yield f"{found.name}.{name}", now.default


def test_leases_breakers_and_deadlines_use_the_monotonic_clock():
    clocks = dict(_clocks())

    assert clocks.pop("emf.MetricLines", time.time) is time.time  # stamps its lines
    assert {"leases.Leases", "acks.Acks", "breaker.Breakers", "poller.Poller"} <= set(clocks)
    assert {name for name, clock in clocks.items() if clock is not time.monotonic} == set()


@pytest.mark.parametrize("jumps", [(JUMP,), (-JUMP,), (JUMP, -JUMP), (0.0, JUMP, -JUMP)])
def test_messages_are_handled_once_while_the_wall_clock_jumps(monkeypatch, jumps):
    real, offsets = time.time, cycle(jumps)
    monkeypatch.setattr(time, "time", lambda: real() + next(offsets))
    worker = Harness()
    orders = [f"order-{number}" for number in range(10)]
    worker.send(*orders)
    worker.receive()
    worker.tick(100)  # well beyond the visibility timeout: renewals keep the messages here
    worker.run_dry()

    assert sorted(worker.service.handled) == sorted(orders)
    assert {worker.effects(order) for order in orders} == {1}
    assert not worker.queue.dead_letters


def test_ages_are_never_negative(monkeypatch):
    worker = Harness()
    sent_at = worker.clock()
    monkeypatch.setattr(time, "time", lambda: sent_at - JUMP)
    worker.send("order-1")
    worker.round()

    ages = [
        sample.value
        for family in worker.telemetry.registry.collect()
        for sample in family.samples
        if sample.name.endswith("_sum")
    ]
    assert ages
    assert min(ages) >= 0


def test_the_history_of_an_order_keeps_the_order_of_events():
    clock, order = FakeClock(), None
    for report in (a_payment(), a_reservation()):
        order, _ = lifecycle.follow(order, report, clock.now())
        clock.advance(-JUMP)
    order, _ = lifecycle.refund(order, a_cancellation().reason, clock.now())

    assert isinstance(order, Order)
    assert order.state == "cancelled"
    assert [entry.event_type for entry in order.history] == [
        "payment.completed",
        "inventory.reserved",
        "order.confirmed",
        "order.cancelled",
    ]
