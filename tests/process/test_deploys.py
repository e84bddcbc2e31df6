"""Three deploys of order-api, and clients that see no refused or failed request."""

import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from signal import SIGTERM
from threading import Event, Thread

import httpx
import pytest
from support.eventually import eventually
from support.order_api import ORDER

from local.ports import release_port, reserve_port
from local.tcp_proxy import LOOPBACK

pytestmark = pytest.mark.process

DEPLOYS = 3
STOP_TIMEOUT = 20  # s; order-api accepts requests for 5 s of it
STALE = 2.0  # s after the signal until the gateway stops using a process
PAUSE = 0.05  # s between the requests of a client
PATIENCE = 60  # s


@dataclass(frozen=True)
class OrderApi:
    """A real process of order-api."""

    process: object
    port: int

    @property
    def orders(self):
        return f"http://{LOOPBACK}:{self.port}/orders"


class Gateway:
    """Knows the processes as API Gateway does: it learns late that one has gone."""

    def __init__(self):
        self._used_until = {}  # by process, as monotonic time

    def register(self, api):
        self._used_until[api] = float("inf")

    def deregister(self, api):
        self._used_until[api] = time.monotonic() + STALE

    def uses(self, api):
        return time.monotonic() < self._used_until[api]

    def in_use(self):
        return [api for api in list(self._used_until) if self.uses(api)]


class Client(Thread):
    """Places orders with every process in turn until it is told to stop, and counts the answers."""

    def __init__(self, gateway, *, keeps):
        """``keeps`` is the number of idle connections that it keeps."""
        super().__init__(daemon=True)
        self.answers = Counter()  # by status, or by the error if there was no answer
        self.told_to_close = 0
        self._gateway = gateway
        self._limits = httpx.Limits(max_keepalive_connections=keeps)
        self._over = Event()

    def run(self):
        with httpx.Client(timeout=PATIENCE, limits=self._limits) as http:
            while not self._over.wait(PAUSE):
                for api in self._gateway.in_use():
                    self._place(http, api)

    def stop(self):
        self._over.set()
        self.join(PATIENCE)

    def _place(self, http, api):
        try:
            answer = http.post(api.orders, json=ORDER)
        except httpx.HTTPError as error:
            self.answers[repr(error)] += 1
        else:
            self.answers[answer.status_code] += 1
            self.told_to_close += answer.headers.get("connection") == "close"


@pytest.fixture
def deploy(aws, provisioned, start):
    """Return a function that starts an order-api and waits until it is ready."""
    ports = []

    def deploy(**changes):
        ports.append(reserve_port())
        environment = aws.environment(os.environ) | {
            "METRICS_PORT": "0",
            "NAME_PREFIX": provisioned.name_prefix,
            "PORT": str(ports[-1]),
            "STOP_TIMEOUT": str(STOP_TIMEOUT),
        }
        command = (sys.executable, "-m", "workers", "run", "order-api")
        process = start(command, environment | changes)
        eventually(lambda: process.ready or not process.running, PATIENCE)
        return OrderApi(process, ports[-1])

    yield deploy
    for port in ports:
        release_port(port)


def test_no_client_sees_a_refused_or_failed_request_during_three_deploys(deploy):
    gateway, old = Gateway(), deploy()
    gateway.register(old)
    clients = [Client(gateway, keeps=connections) for connections in (DEPLOYS + 1, 0)]
    for client in clients:
        client.start()
    replaced = []
    for _ in range(DEPLOYS):
        new = deploy()
        gateway.register(new)
        old.process.signal(SIGTERM)
        gateway.deregister(old)
        old.process.says("worker.stopping")
        assert old.process.get("/readyz")[0] == HTTPStatus.SERVICE_UNAVAILABLE
        eventually(lambda leaving=old: not gateway.uses(leaving))
        replaced.append(old)
        old = new
    for client in clients:
        client.stop()

    assert [set(client.answers) for client in clients] == [{HTTPStatus.ACCEPTED}] * 2
    assert all(client.told_to_close for client in clients)
    assert [api.process.ends() for api in replaced] == [0] * DEPLOYS


def test_a_second_signal_ends_the_drain_at_once(deploy):
    api = deploy(STOP_TIMEOUT="120")
    api.process.signal(SIGTERM)
    api.process.says("worker.stopping")
    signalled = time.monotonic()
    api.process.signal(SIGTERM)
    assert api.process.ends() == 0
    assert time.monotonic() - signalled < 20  # s; the drain would take 25 s


def test_an_order_api_behind_cloudfront_demands_a_key_and_does_not_log_it(deploy):
    old, new = "the-key-of-last-month", "the-key-of-this-month"
    api = deploy(ORIGIN_KEY=new, OTHER_ORIGIN_KEY=old)

    answers = [
        httpx.post(api.orders, json=ORDER, headers=headers, timeout=PATIENCE).status_code
        for headers in ({}, {"X-Origin-Key": old}, {"X-Origin-Key": new})
    ]

    assert answers == [HTTPStatus.FORBIDDEN, HTTPStatus.ACCEPTED, HTTPStatus.ACCEPTED]
    told = f"{api.process.lines()}{api.process.stderr}"
    assert old not in told
    assert new not in told
