"""The answers of the health port."""

import json
import socket
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest
from prometheus_client import CollectorRegistry, Counter

from workers.runtime.observability.health import STARTING, Health, Status

TIMEOUT = 5


class Process:
    """One that starts, and may have another status later."""

    status = STARTING


@pytest.fixture
def process():
    return Process()


@pytest.fixture
def health(process):
    return Health(lambda: process.status)


@pytest.fixture
def get(health):
    port = health.serve(0)
    opener = build_opener(ProxyHandler({}))

    def get(path):
        try:
            with opener.open(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    get.port = port
    return get


def test_a_process_that_starts_lives_but_is_not_ready(get):
    assert get("/livez") == (200, b'{"status":"ok","problems":[]}')
    status, body = get("/readyz")
    assert status == 503
    assert json.loads(body) == {"status": "failing", "problems": ["starting"]}


def test_a_worker_without_obstacles_is_ready(process, get):
    process.status = Status()
    assert get("/readyz")[0] == 200


def test_an_obstacle_makes_it_unready_but_not_dead(process, get):
    process.status = Status(obstacles=lambda: ["dynamodb does not answer"])
    assert get("/livez")[0] == 200
    assert get("/readyz")[0] == 503


def test_a_problem_is_a_reason_to_replace_it(process, get):
    process.status = Status(problems=lambda: ["a handler does not return"])
    assert get("/livez")[0] == get("/readyz")[0] == 503
    assert b"a handler does not return" in get("/livez")[1]


def test_metrics_are_those_of_the_registry(process, get):
    assert get("/metrics")[0] == 404
    registry = CollectorRegistry()
    Counter("orders", "Orders", registry=registry).inc(3)
    process.status = Status(registry=registry)
    status, body = get("/metrics")
    assert status == 200
    assert b"orders_total 3.0" in body


def test_an_unknown_path_names_the_known_ones(get):
    assert get("/") == (404, b"/livez, /readyz or /metrics\n")


def test_a_port_that_is_taken_is_an_error(health, get):
    with pytest.raises(OSError, match="in use"):
        health.serve(get.port)


def test_one_silent_client_does_not_hold_up_the_next(get, capsys):
    with socket.create_connection(("127.0.0.1", get.port), timeout=TIMEOUT):
        assert get("/livez")[0] == 200
    assert capsys.readouterr() == ("", "")


def test_a_client_that_hangs_up_leaves_no_trace(get, capsys):
    with socket.create_connection(("127.0.0.1", get.port), timeout=TIMEOUT) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert get("/livez")[0] == 200
    assert capsys.readouterr() == ("", "")


def test_starting_asks_no_name_server(health, monkeypatch):
    def no_name_server(*_):
        raise AssertionError("asked")

    monkeypatch.setattr(socket, "getfqdn", no_name_server)
    assert health.serve(0) > 0
