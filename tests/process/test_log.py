"""A log that is closed or no longer read does not stop the work."""

import fcntl
import os
from signal import SIGTERM

import pytest
from support.eventually import eventually

pytestmark = pytest.mark.process

PATIENCE = 30  # s
PIPE = 4_096  # bytes


@pytest.fixture
def log(world, start, obedient):
    """Start a worker that logs to a small pipe; return both."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    worker = start(obedient, world.environment, stdout=writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        yield worker, stream


def handle(world, count):
    orders = [f"quick-{number}" for number in range(count)]
    world.send(*orders)
    eventually(lambda: all(world.effects(order) for order in orders), PATIENCE)
    eventually(lambda: world.waiting + world.in_flight == 0, PATIENCE)


def test_a_worker_whose_log_is_closed_keeps_working(world, log):
    worker, reader = log
    assert b"worker.starting" in reader.readline()
    reader.close()
    handle(world, 2)
    worker.signal(SIGTERM)
    assert worker.ends() == 0


def test_a_worker_whose_log_is_not_read_keeps_working(world, log):
    worker, reader = log
    handle(world, 40)
    worker.signal(SIGTERM)
    assert worker.ends() == 0
    assert b"worker.stopped" not in reader.read()  # the pipe was full long before
