"""While the store does not answer, requests are refused at once, and a probe ends that."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from workers.api.app import DEPENDENCIES, upstream_of
from workers.runtime.dependencies import FAILURES, Dependencies
from workers.runtime.errors import Unavailable

DOWN = Unavailable("dynamodb: connect timeout", dependency="dynamodb")


def lose(api, order, times=FAILURES):
    for _ in range(times):
        api.store.fail_next("commit", DOWN)
        api.post("/orders", order)


def test_requests_do_not_wait_for_a_store_that_does_not_answer(api, order):
    lose(api, order)

    answer = api.post("/orders", order)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert not api.store.records  # the store was not asked: it would have answered


def test_reads_are_refused_too(api, order):
    lose(api, order)
    assert api.get("/orders/order-1").status_code == 503


def test_the_log_names_the_dependency_and_the_reason_as_a_warning(api, order):
    with capture_logs() as lines:
        lose(api, order, 1)
    (served,) = [line for line in lines if line["event"] == "request.served"]
    assert served["log_level"] == "warning"
    assert served["dependency"] == "dynamodb"
    assert served["reason"] == "dynamodb: connect timeout"


def test_an_accepted_request_is_logged_as_before(api, order):
    with capture_logs() as lines:
        api.post("/orders", order)
    (served,) = [line for line in lines if line["event"] == "request.served"]
    assert served["log_level"] == "info"
    assert "reason" not in served


@pytest.fixture
def dependencies():
    return Dependencies(CollectorRegistry(), DEPENDENCIES)


def test_a_probe_notices_an_outage_without_requests_and_its_end(api, dependencies):
    upstream = upstream_of(api.store, dependencies)
    for _ in range(FAILURES):
        api.store.fail_next("recall", DOWN)
        upstream.probe()
    assert dependencies.failing() == ["dynamodb"]

    upstream.probe()

    assert dependencies.failing() == []
    with upstream.attempt():
        pass
