"""Every thread that calls AWS has its own connection."""

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
def test_every_request_thread_has_a_connection(parts, client):
    made = getattr(parts("order-api").clients, client)()

    assert made.meta.config.max_pool_connections >= REQUEST_THREADS


def test_a_worker_has_connections_for_its_handlers_and_pollers(parts):
    made = parts("payment").clients.dynamodb()

    assert made.meta.config.max_pool_connections >= Topology.load().services["payment"].concurrency


def test_a_topic_that_does_not_respond_leaves_threads_free():
    assert SLOTS <= REQUEST_THREADS / 2
    assert MAX_IN_FLIGHT > REQUEST_THREADS


def test_forty_threads_open_at_most_forty_connections_and_reuse_them(parts, monkeypatch):
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
