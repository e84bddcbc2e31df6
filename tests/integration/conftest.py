"""A server on loopback that misbehaves as told."""

import pytest
from stub import serving


@pytest.fixture
def stub():
    with serving() as server:
        yield server


@pytest.fixture
def nobody():
    """Give a URL that nobody listens on."""
    with serving() as server:
        return server.url
