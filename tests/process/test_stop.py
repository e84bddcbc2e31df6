"""SIGTERM finishes running handlers and hands back the other messages, in time."""

import os
import sys
import time
from signal import SIGINT, SIGTERM

import pytest
from support.eventually import eventually
from support.world import STOP_TIMEOUT

pytestmark = pytest.mark.process

INTERRUPTED = 75
PATIENCE = 30  # s
AT_ONCE = 8  # s; waiting for a hung handler would take 11.5 s of the 13 s


def test_a_running_handler_is_finished_and_its_message_deleted(world, work):
    """Case 20."""
    worker = work()
    world.send("wait-1")
    worker.says("handler.started")
    worker.signal(SIGTERM)
    worker.says("worker.stopping", reason="SIGTERM")
    assert worker.get("/readyz") == (503, '{"status":"failing","problems":["stopping"]}')
    assert worker.lives
    world.send("quick-2")
    receives = world.requests["ReceiveMessage"]
    world.open_gate("wait-1")
    assert worker.ends() == 0
    assert world.effects("wait-1") == 1
    # A message from the open poll was handled; a later one waits for others. None is hidden.
    assert world.waiting + world.effects("quick-2") == 1
    assert world.in_flight == 0
    assert world.requests["ReceiveMessage"] == receives


def test_an_idle_worker_ends_with_its_poll(world, work):
    worker = work()
    signalled = time.monotonic()
    worker.signal(SIGTERM)
    worker.says("worker.stopping")
    receives = world.requests["ReceiveMessage"]
    assert worker.ends() == 0
    assert time.monotonic() - signalled < STOP_TIMEOUT  # the poll waits 1 s of it
    assert world.requests["ReceiveMessage"] == receives
    assert worker.lines("worker.stopped", exitCode=0)


def test_messages_from_the_last_poll_are_handled(world, wire, work):
    """Case 18: SQS has handed them over; unless they are handled, they stay hidden."""
    wire.join()
    worker = work(AWS_ENDPOINT_URL_SQS=wire.url)
    wire.hold(b"ReceiptHandle")
    orders = [f"quick-{number}" for number in range(10)]
    world.send(*orders)
    eventually(
        lambda: world.in_flight
    )  # perhaps not all ten: the poll returns the first ones it finds
    worker.signal(SIGTERM)
    worker.says("worker.stopping")
    wire.release()
    assert worker.ends() == 0
    effects = [world.effects(order) for order in orders]
    assert max(effects) == 1
    assert (world.waiting, world.in_flight) == (10 - sum(effects), 0)


def test_messages_from_the_last_poll_that_come_too_late_are_handed_back(world, wire, work):
    """Cases 18 and 19: and this process does not receive it again."""
    wire.join()
    worker = work(AWS_ENDPOINT_URL_SQS=wire.url)
    world.send("slow-1")
    worker.says("message.settled", outcome="handled")
    eventually(lambda: world.in_flight == 0)
    wire.hold(b"ReceiptHandle")
    world.send(*(f"quick-{number}" for number in range(5)))
    eventually(lambda: world.in_flight)
    worker.signal(SIGTERM)
    worker.says("worker.stopping")
    wire.release()
    assert worker.ends() == 0
    assert len(worker.lines("message.settled")) == 1
    assert (world.waiting, world.in_flight) == (5, 0)


def test_a_hung_handler_is_left_behind_and_its_message_handed_back(world, work):
    """Case 21: the exit code is not that of a crash, and no ack is lost."""
    worker = work()
    world.send("wait-1", "quick-1", "quick-2")
    worker.says("handler.started", orderId="wait-1")
    signalled = time.monotonic()
    worker.signal(SIGTERM)
    assert worker.ends() == INTERRUPTED
    assert time.monotonic() - signalled < STOP_TIMEOUT
    assert len(worker.lines("handler.interrupted")) == 1
    assert (world.waiting, world.in_flight) == (1, 0)
    assert world.effects("quick-1") == world.effects("quick-2") == 1

    other = work()
    world.open_gate("wait-1")
    other.says("message.settled", orderId="wait-1", outcome="handled")
    assert world.effects("wait-1") == 1


def test_messages_read_ahead_are_handed_back(world, work):
    worker = work(CONCURRENCY="1")
    world.send(*(f"quick-{number}" for number in range(20)))  # fast enough to read ahead
    worker.says("message.settled", times=20)
    eventually(lambda: world.in_flight == 0)
    world.send("wait-1", *(f"late-{number}" for number in range(5)))
    worker.says("handler.started", orderId="wait-1")
    eventually(lambda: world.in_flight > 1)
    worker.signal(SIGTERM)
    assert worker.ends() == INTERRUPTED
    assert (world.waiting, world.in_flight) == (6, 0)
    assert len(worker.lines("handler.started")) == 21


@pytest.mark.parametrize(("first", "second"), [(SIGTERM, SIGTERM), (SIGINT, SIGTERM)])
def test_a_second_signal_ends_the_worker_at_once(world, work, first, second):
    """Case 22."""
    worker = work(STOP_TIMEOUT="13")
    world.send("wait-1")
    worker.says("handler.started")
    worker.signal(first)
    worker.says("worker.stopping", reason=first.name)
    signalled = time.monotonic()
    worker.signal(second)
    assert worker.ends() == INTERRUPTED
    assert time.monotonic() - signalled < AT_ONCE
    # Only after the poll that is still open at SQS: it would receive the message.
    eventually(lambda: (world.waiting, world.in_flight) == (1, 0))


def test_a_burst_of_signals_does_not_hang_the_worker(world, work):
    """Case 22."""
    worker = work(STOP_TIMEOUT="13")
    world.send("wait-1")
    worker.says("handler.started")
    signalled = time.monotonic()
    worker.signal(*([SIGTERM, SIGINT] * 25))
    assert worker.ends() == INTERRUPTED
    assert time.monotonic() - signalled < AT_ONCE
    eventually(lambda: (world.waiting, world.in_flight) == (1, 0))


def test_a_second_signal_does_not_wait_for_unconfirmed_settlements(world, wire, work):
    wire.join()
    worker = work(AWS_ENDPOINT_URL_SQS=wire.url, STOP_TIMEOUT="13")
    world.send("wait-1")
    worker.says("handler.started")
    wire.cut()
    worker.signal(SIGTERM)
    worker.says("worker.stopping")
    world.open_gate("wait-1")
    worker.says("message.settled", outcome="handled")
    signalled = time.monotonic()
    worker.signal(SIGTERM)
    assert worker.ends() == INTERRUPTED
    assert time.monotonic() - signalled < AT_ONCE


@pytest.mark.parametrize("service", ["order-api", "relay"])
def test_services_without_a_queue_stop_too(aws, provisioned, start, service):
    environment = aws.environment(os.environ) | {
        "METRICS_PORT": "0",
        "NAME_PREFIX": provisioned.name_prefix,
        "PORT": "0",
        "STOP_TIMEOUT": str(STOP_TIMEOUT),
    }
    process = start((sys.executable, "-m", "workers", "run", service), environment)
    eventually(lambda: process.ready or not process.running, PATIENCE)
    process.signal(SIGTERM)
    assert process.ends(within=PATIENCE) == 0
    assert process.lines("worker.stopped", exitCode=0)
