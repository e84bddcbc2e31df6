"""One system for all alarms, watched by Prometheus, with a customer who orders all the time."""

import os
import shutil
import threading
import time

import httpx
import pytest

from alerts.rig import watched
from local.system import System
from workers.provision.provision import provision

PIECES = 100_000
ORDER = {
    "customerEmail": "customer-1@example.com",
    "currency": "EUR",
    "items": [{"sku": "LAPTOP-001", "quantity": 1, "price": "850.00"}],
}


@pytest.fixture(scope="session")
def system(tmp_path_factory):
    if shutil.which("prometheus") is None and os.environ.get("PROMTOOL") != "required":
        pytest.skip("NOT TESTED: that alerts fire. Install Debian's package prometheus.")
    with System(tmp_path_factory.mktemp("logs")) as system:
        provision(system.settings, system.topology, stock=PIECES)
        yield system


@pytest.fixture(scope="session")
def watching(system, tmp_path_factory):
    with watched(system, tmp_path_factory.mktemp("prometheus")) as watching:
        yield watching


@pytest.fixture(scope="session")
def place(system):
    """Return a function that places an order, and returns its id or None."""

    def place(**changes):
        try:
            answer = httpx.post(f"{system.api_url}/orders", json=ORDER | changes, timeout=60)
        except httpx.HTTPError:
            return None
        return answer.json()["orderId"] if answer.status_code == httpx.codes.ACCEPTED else None

    return place


@pytest.fixture
def customers(place):
    """Place orders all the time, by several customers, until the test ends."""
    ended = threading.Event()

    def shop():
        while not ended.is_set():
            place()
            time.sleep(0.2)

    threads = [threading.Thread(target=shop, daemon=True) for _ in range(12)]
    for thread in threads:
        thread.start()
    yield
    ended.set()
    for thread in threads:
        thread.join()
