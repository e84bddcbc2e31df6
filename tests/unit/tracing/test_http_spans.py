"""The span of a request to order-api, and the context that the application finds."""

import pytest
from support.order_api import ORDER, Api

from workers.runtime.errors import Unavailable
from workers.tracing.http import TracedHttp

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def api(recorded):
    api = Api()
    api.app.add_middleware(TracedHttp, tracer=recorded.tracer)
    return api


def test_a_request_continues_the_trace_of_its_client(api, recorded):
    api.post("/orders", ORDER, headers={"traceparent": CLIENT})

    span = recorded.one("POST /orders")
    assert (span.kind.name, recorded.parent(span)) == ("SERVER", "b7ad6b7169203331")
    assert api.topic.published[0].traceparent == recorded.traceparent(span)
    assert dict(span.attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 202,
        "http.route": "/orders",
        "url.scheme": "http",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": "nonsense"},
        {"traceparent": f"ff-{TRACE}-b7ad6b7169203331-01"},
        {"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"},
        [("traceparent", CLIENT), ("traceparent", CLIENT)],
    ],
)
def test_without_a_valid_context_a_request_starts_a_trace(api, recorded, headers):
    api.post("/orders", ORDER, headers=headers)
    span = recorded.one("POST /orders")
    assert span.parent is None
    assert api.topic.published[0].traceparent == recorded.traceparent(span)


def test_a_replayed_request_keeps_the_context_of_the_first(api, recorded):
    for _ in range(2):
        api.post("/orders", ORDER, headers={"Idempotency-Key": "k1"})
    first, _second = recorded.spans("POST /orders")
    [stored] = api.store.records["order-api#k1"].outcomes
    assert stored.attributes["traceparent"] == recorded.traceparent(first)


def test_an_unsampled_request_leaves_no_span_and_an_unsampled_event(api, recorded):
    api.post("/orders", ORDER, headers={"traceparent": CLIENT[:-2] + "00"})
    assert recorded.spans() == []
    assert api.topic.published[0].traceparent[3:35] == TRACE
    assert api.topic.published[0].traceparent.endswith("-00")


def test_a_span_has_the_route_and_nothing_else_of_the_url(api, recorded):
    api.get("/orders/canary@example.com?email=canary@example.com", headers={"x": "canary"})
    api.get("/canary@example.com")
    assert {span.name for span in recorded.spans()} == {"GET /orders/{orderId}", "GET"}
    assert not [span for span in recorded.spans() if "canary" in span.to_json()]


def test_only_a_failure_of_the_server_is_a_failed_span(api, recorded):
    api.get("/orders/order-1")
    api.store.fail_next("commit", Unavailable("down", dependency="dynamodb"))
    api.post("/orders", ORDER)

    [missing] = recorded.spans("GET /orders/{orderId}")
    [failed] = recorded.spans("POST /orders")
    assert missing.attributes["http.response.status_code"] == 404
    assert missing.status.is_ok
    assert failed.attributes["error.type"] == "503"
    assert not failed.status.is_ok


def test_the_health_check_has_no_span(api, recorded):
    api.get("/healthz")
    assert recorded.spans() == []


def test_an_unknown_method_is_one_name(api, recorded):
    api.request("CANARY", "/orders")
    assert recorded.spans()[0].attributes["http.request.method"] == "_OTHER"
