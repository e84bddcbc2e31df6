"""With keys, only requests that came through CloudFront are served."""

import pytest
from support.order_api import ORDER, Api

OLD, NEW = "0b3f4c4e-one", "5d8a7be2-two"


@pytest.fixture
def behind():
    return Api(origin_keys=(NEW, OLD))


@pytest.mark.parametrize("key", [OLD, NEW])
def test_each_key_is_accepted_during_a_rotation(behind, key):
    answer = behind.post("/orders", ORDER, headers={"X-Origin-Key": key})

    assert answer.status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Origin-Key": ""},
        {"X-Origin-Key": NEW[:-1]},
        {"X-Origin-Key": f"{NEW}x"},
        {"X-Origin-Key": f"{NEW},{OLD}"},
        {"X-Origin-Key": b"\xff\xfe"},
        {"Authorization": NEW},
    ],
    ids=["none", "empty", "shorter", "longer", "both", "binary", "elsewhere"],
)
def test_a_request_without_a_key_is_refused_and_changes_nothing(behind, headers):
    answer = behind.post("/orders", ORDER, headers=headers)

    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:problem-type:wrong-address"
    assert NEW not in answer.text
    assert behind.store.documents == {}


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/orders/1", "/healthz/"])
def test_every_path_but_the_health_check_needs_a_key(behind, path):
    assert behind.get(path).status_code == 403


def test_a_health_check_needs_no_key(behind):
    assert behind.get("/healthz").status_code == 200


def test_a_refusal_is_counted_like_every_answer(behind):
    behind.get("/orders/1")

    assert behind.registry.get_sample_value(
        "http_requests_total", {"route": "unmatched", "method": "GET", "status": "403"}
    )


def test_without_keys_every_request_is_served():
    assert Api().place()["orderId"]
