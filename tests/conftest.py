"""Fixtures for all tests.

With ``LOCALSTACK`` set, a LocalStack from docker-compose.yml replaces the embedded AWS.
"""

import os
import signal
from uuid import uuid4

import hypothesis
import pytest
from support.composed import without_java
from support.localstack import LocalStack
from support.localstack_differences import LOCALSTACK_FAILURES, LOCALSTACK_FLAKES, MOTO_FAILURES
from support.xdist_scheduling import LargestScopeFirst

from local.aws.embedded import EmbeddedAws
from workers.provision.provision import provision
from workers.settings import Settings
from workers.topology import Topology

# No deadline: the time of an example depends on how busy the machine is.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")

# A shell that starts tests in the background lets them ignore SIGINT, and the processes that they
# start inherit that. These tests interrupt processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return LargestScopeFirst(config, log)


def pytest_collection_modifyitems(items):
    if "LOCALSTACK" not in os.environ:
        return
    differences = LOCALSTACK_FAILURES | (MOTO_FAILURES if without_java() else {})
    for item in items:
        if reason := differences.get(item.name) or differences.get(item.originalname):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
        if reason := LOCALSTACK_FLAKES.get(item.name):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=False))


@pytest.fixture(scope="session")
def aws():
    """Start an emulator once, and point the SDK of this process at it."""
    start = LocalStack if "LOCALSTACK" in os.environ else EmbeddedAws
    with start() as emulator, pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in emulator.environment({}).items():
            environment.setenv(name, value)
        yield emulator


@pytest.fixture(scope="session")
def aws_endpoint(aws):
    """Return the URL of the emulator."""
    return aws.url


@pytest.fixture
def provisioned(aws):
    """Create the map's resources under a unique prefix; return the settings."""
    assert aws.url
    settings = Settings(name_prefix=f"t{uuid4().hex[:8]}-")
    provision(settings, Topology.load())
    return settings
