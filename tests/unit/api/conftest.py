"""order-api on fakes."""

import pytest
from support.order_api import ORDER, Api


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def demonstration():
    return Api(allow_simulation=True)


@pytest.fixture
def order():
    """Return the body of an order."""
    return ORDER
