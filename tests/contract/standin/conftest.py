"""The ports of tests/contract/ports with one implementation: the adapters on the stand-in.

The stand-in must not answer what AWS would not, or the benchmark would measure something else.
"""

import os
import subprocess
import sys

import pytest
from contract.ports.adapters import *  # noqa: F403 - fixtures

from workers.aws.clients import Clients
from workers.settings import Settings


@pytest.fixture(scope="module")
def standin():
    """Start the stand-in, and point the SDK of this process at it for the tests of a module."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.standin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        try:
            with pytest.MonkeyPatch.context() as environment:
                for name in [name for name in os.environ if name.startswith("AWS_")]:
                    environment.delenv(name)
                port = int(server.stdout.readline())
                environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
                environment.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
                environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
                environment.setenv("AWS_REGION", "eu-west-1")
                environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
                yield
        finally:
            server.kill()


@pytest.fixture(scope="module")
def clients(standin):  # noqa: ARG001 - it sets the endpoint
    return Clients.connect(Settings(stop_timeout=11), threads=4)


@pytest.fixture
def store(dynamo_store):
    return dynamo_store


@pytest.fixture
def roster(dynamo_roster):
    return dynamo_roster


@pytest.fixture
def allowance(mail_allowance):
    return mail_allowance


@pytest.fixture
def orders(dynamo_orders):
    return dynamo_orders


@pytest.fixture
def queues(sqs_queues):
    return sqs_queues


@pytest.fixture
def topics(sns_topics):
    return sns_topics
