"""A server on loopback that misbehaves as told."""

import os

import pytest
from support.stub import serving

# What only the one can do, and only the other: fail as it is told.
collect_ignore = ["test_faults.py" if "LOCALSTACK" in os.environ else "localstack"]


@pytest.fixture
def stub():
    with serving() as server:
        yield server


@pytest.fixture
def nobody():
    """Give a URL that nobody listens on."""
    with serving() as server:
        return server.url
