"""What every kind of test may ask for.

With ``LOCALSTACK`` set, a composed LocalStack takes the place of the embedded AWS.
"""

import os
from uuid import uuid4

import hypothesis
import pytest
from support.composed import without_java
from support.dealing import Dealing
from support.differences import DYNAMODB_BY_MOTO, LOCALSTACKS_OWN, LOCALSTACKS_TIMING
from support.localstack import LocalStack

from local.aws.embedded import EmbeddedAws
from workers.provision.provision import provision
from workers.settings import Settings
from workers.topology import Topology

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Dealing(config, log)


def pytest_collection_modifyitems(items):
    if "LOCALSTACK" not in os.environ:
        return
    differences = LOCALSTACKS_OWN | (DYNAMODB_BY_MOTO if without_java() else {})
    for item in items:
        if reason := differences.get(item.name) or differences.get(item.originalname):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
        if reason := LOCALSTACKS_TIMING.get(item.name):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=False))


@pytest.fixture(scope="session")
def aws():
    """Start an emulator once, and let the SDK of this process talk to nothing else."""
    start = LocalStack if "LOCALSTACK" in os.environ else EmbeddedAws
    with start() as emulator, pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in emulator.environment({}).items():
            environment.setenv(name, value)
        yield emulator


@pytest.fixture(scope="session")
def aws_endpoint(aws):
    """Give the URL of the emulator."""
    return aws.url


@pytest.fixture
def provisioned(aws):
    """Create the map's resources under a prefix that no other test uses; gives the settings."""
    assert aws.url
    settings = Settings(name_prefix=f"t{uuid4().hex[:8]}-")
    provision(settings, Topology.load())
    return settings
