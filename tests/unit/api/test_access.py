"""A request is logged and counted once, without personal data."""

import json

from structlog.testing import capture_logs

from workers.runtime.errors import Unavailable

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def served(logs):
    [line] = [line for line in logs if line["event"] == "request.served"]
    return line


def test_a_request_is_one_line_with_its_ids(api, order):
    with capture_logs() as logs:
        placed = api.post("/orders", order, headers={"traceparent": TRACE}).json()

    line = served(logs)
    assert line.pop("durationMs") >= 0
    assert line == {
        "event": "request.served",
        "log_level": "info",
        "method": "POST",
        "route": "/orders",
        "status": 202,
        "eventType": "order.created",
        "eventId": placed["eventId"],
        "orderId": placed["orderId"],
        "correlationId": placed["correlationId"],
        "source": "order-api",
        "traceId": TRACE[3:35],
    }


def test_the_line_names_the_route_instead_of_the_path(api):
    with capture_logs() as logs:
        api.get("/orders/ada@example.com")

    assert (served(logs)["route"], served(logs)["status"]) == ("/orders/{orderId}", 404)
    assert "orderId" not in served(logs)


def test_no_address_is_logged_however_a_request_ends(api, order):
    with capture_logs() as logs:
        api.place()
        api.get("/orders/ada@example.com")
        api.get("/ada@example.com?email=ada@example.com")
        api.post("/orders", order | {"currency": "ada@example.com", "ada@example.com": 1})
        for error in (
            RuntimeError("ada@example.com"),
            Unavailable("ada@example.com", dependency="dynamodb"),
        ):
            api.store.fail_next("commit", error)
            api.post("/orders", order)
        api.topic.fail_next("publish", RuntimeError("ada@example.com"))
        api.place()

    assert {"request.served", "request.crashed", "fast_path.failed"} == {
        line["event"] for line in logs
    }
    assert "ada@" not in json.dumps(logs)


def test_a_crash_is_logged_with_its_location(api, order):
    api.store.fail_next("commit", ZeroDivisionError("secret"))

    with capture_logs() as logs:
        api.post("/orders", order)

    [crash] = [line for line in logs if line["event"] == "request.crashed"]
    assert crash["errorType"] == "ZeroDivisionError"
    assert crash["route"] == "/orders"
    assert "commit" in crash["stack"]
    assert "secret" not in crash["stack"]
    assert served(logs)["status"] == 500


def test_requests_are_counted_and_timed_by_route_method_and_status(api):
    for _ in range(2):
        api.place()
    api.get("/orders/nope")
    api.get("/nope")
    api.request("BREW", "/orders")

    def counted(route, method, status):
        labels = {"route": route, "method": method, "status": status}
        return (
            api.registry.get_sample_value("http_requests_total", labels),
            api.registry.get_sample_value("http_request_duration_seconds_count", labels),
        )

    assert counted("/orders", "POST", "202") == (2, 2)
    assert counted("/orders/{orderId}", "GET", "404") == (1, 1)
    assert counted("unmatched", "GET", "404") == (1, 1)
    assert counted("/orders", "_OTHER", "405") == (1, 1)


def test_health_checks_call_no_dependency(api):
    answer = api.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert not api.store.calls
    assert not api.topic.calls
