"""How many requests are served at once, and whether each finds a connection."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from support.stub import serving

from workers.api.fast_path import SLOTS
from workers.api.limits import MAX_IN_FLIGHT, REQUEST_THREADS
from workers.bootstrap import Parts
from workers.settings import Settings
from workers.topology import Topology


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    settings = Settings(topic_arn="arn:aws:sns:eu-west-1:123456789012:order-events")
    return lambda name: Parts.of(name, settings, Topology.load())


@pytest.mark.parametrize("client", ["dynamodb", "sns"])
def test_every_thread_that_serves_a_request_has_a_connection_of_its_own(parts, client):
    made = getattr(parts("order-api").clients, client)()

    assert made.meta.config.max_pool_connections >= REQUEST_THREADS


def test_a_worker_has_as_many_as_its_handlers_and_pollers_need(parts):
    made = parts("payment").clients.dynamodb()

    assert made.meta.config.max_pool_connections >= Topology.load().services["payment"].concurrency


def test_some_threads_are_left_while_the_topic_does_not_answer():
    assert SLOTS <= REQUEST_THREADS / 2
    assert MAX_IN_FLIGHT > REQUEST_THREADS


def test_forty_threads_at_once_open_forty_connections_and_keep_them(parts, monkeypatch):
    with serving() as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)
        client = parts("order-api").clients.dynamodb()
        together = Barrier(REQUEST_THREADS, timeout=30)

        def ask(_):
            for _ in range(3):
                together.wait()
                client.get_item(TableName="orders", Key={"pk": {"S": "1"}})

        with ThreadPoolExecutor(REQUEST_THREADS) as threads:
            list(threads.map(ask, range(REQUEST_THREADS)))

        assert len(stub.requests) == 3 * REQUEST_THREADS
        assert stub.connections <= REQUEST_THREADS
