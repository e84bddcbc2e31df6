"""A server on loopback that misbehaves as told."""

import os

import pytest
from stub import serving

if "LOCALSTACK" not in os.environ:
    collect_ignore = ["localstack"]  # what only LocalStack can do
else:
    collect_ignore = ["test_faults.py"]  # only the embedded AWS fails as it is told


@pytest.fixture
def stub():
    with serving() as server:
        yield server


@pytest.fixture
def nobody():
    """Give a URL that nobody listens on."""
    with serving() as server:
        return server.url
