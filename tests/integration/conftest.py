"""A server on loopback that misbehaves on request."""

import os

import pytest
from support.stub import serving

# Only the embedded AWS can inject faults, and has an archive; the folder localstack needs
# LocalStack.
collect_ignore = (
    ["test_archive.py", "test_faults.py", "test_rebuild.py"]
    if "LOCALSTACK" in os.environ
    else ["localstack"]
)


@pytest.fixture
def stub():
    with serving() as server:
        yield server


@pytest.fixture
def unreachable_url():
    """Return a URL on which no server listens."""
    with serving() as server:
        return server.url
