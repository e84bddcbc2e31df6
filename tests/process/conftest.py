"""Real worker processes, with their own queue, table and topic."""

import sys
from pathlib import Path

import pytest
from support.aws_calls import client
from support.eventually import eventually
from support.real_process import PATIENCE, Process
from support.world import SERVICE, World

from local.tcp_proxy import TcpProxy

OBEDIENT = (sys.executable, str(Path(__file__).with_name("obedient.py")), "run", SERVICE)


@pytest.fixture(scope="session")
def sqs(aws):
    assert aws.url
    return client("sqs")


@pytest.fixture(scope="session")
def dynamodb(aws):
    assert aws.url
    return client("dynamodb")


@pytest.fixture
def world(aws, sqs, dynamodb, tmp_path):
    gates = tmp_path / "gates"
    gates.mkdir()
    return World(aws, sqs, dynamodb, gates)


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a process; kill the survivors after the test."""
    started = []

    def start(command, environment, **named):
        started.append(Process(command, environment, tmp_path, **named))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def obedient():
    """Return the command of a worker whose handlers do what the order's id says."""
    return OBEDIENT


@pytest.fixture
def work(world, start, obedient):
    """Return a function that starts such a worker and waits until it is ready."""

    def work(until=lambda worker: worker.ready, **changes):
        worker = start(obedient, world.environment | changes)
        eventually(lambda: until(worker) or not worker.running, PATIENCE)
        return worker

    return work


@pytest.fixture
def wire(aws):
    """Return a TCP proxy to the embedded AWS that is not connected yet."""
    wire = TcpProxy(int(aws.url.rpartition(":")[2]))
    yield wire
    wire.close()
