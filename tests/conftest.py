"""What every kind of test may ask for."""

import os
from uuid import uuid4

import pytest

from workers.local.aws import EmbeddedAws
from workers.local.provision import provision
from workers.settings import Settings
from workers.topology import Topology


@pytest.fixture(scope="session")
def aws():
    """Start the embedded AWS once, and let the SDK of this process talk to nothing else."""
    with EmbeddedAws() as embedded, pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in embedded.environment({}).items():
            environment.setenv(name, value)
        yield embedded


@pytest.fixture(scope="session")
def aws_endpoint(aws):
    """Give the URL of the embedded AWS."""
    return aws.url


@pytest.fixture
def provisioned(aws):
    """Create the map's resources under a prefix that no other test uses; gives the settings."""
    assert aws.url
    settings = Settings(name_prefix=f"t{uuid4().hex[:8]}-")
    provision(settings, Topology.load())
    return settings
