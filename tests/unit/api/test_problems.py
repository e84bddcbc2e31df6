"""Every error response is a problem document."""

import pytest

from workers.runtime.errors import FatalError, PermanentError, Unavailable


def assert_problem(answer, status):
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    return problem


def test_an_unknown_path_is_a_problem(api):
    problem = assert_problem(api.get("/customers/%20x"), 404)

    assert problem["type"] == "about:blank"
    assert problem["title"] == "Not Found"
    assert problem["instance"] == "/customers/%20x"


def test_a_path_with_a_trailing_slash_is_unknown(api):
    assert_problem(api.get("/orders/"), 404)


def test_a_method_that_is_not_allowed_is_a_problem_that_lists_the_allowed_ones(api):
    answer = api.request("DELETE", "/orders")

    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "POST"


def test_a_domain_problem_has_its_own_type(api):
    problem = assert_problem(api.get("/orders/nope"), 404)

    assert problem["type"] == "urn:problem-type:order-not-found"
    assert problem["title"] == "Order not found"
    assert problem["instance"] == "/orders/nope"


@pytest.mark.parametrize(("hint", "seconds"), [(None, "5"), (0.2, "1"), (12.0, "12")])
@pytest.mark.parametrize("call", ["commit", "get"])
def test_an_outage_of_the_store_sets_retry_after(api, order, call, hint, seconds):
    order_id = api.post("/orders", order).json()["orderId"]
    api.store.fail_next(call, Unavailable("down", dependency="dynamodb", retry_after=hint))

    if call == "commit":
        answer = api.post("/orders", order)
    else:  # creating an order reads none
        answer = api.post(f"/orders/{order_id}/cancel", {"reason": "found it cheaper"})

    assert assert_problem(answer, 503)["type"] == "urn:problem-type:unavailable"
    assert answer.headers["Retry-After"] == seconds


@pytest.mark.parametrize(
    "error", [RuntimeError("ada@example.com"), FatalError("denied"), PermanentError("too large")]
)
def test_an_unexpected_error_reveals_nothing(api, order, error):
    api.store.fail_next("commit", error)

    answer = api.post("/orders", order)

    assert assert_problem(answer, 500)["detail"] == "An unexpected error occurred"
    assert str(error) not in answer.text
    assert type(error).__name__ not in answer.text


def test_an_unreadable_order_is_a_server_error(api):
    placed = api.place()
    api.move(placed["orderId"], "nonsense")

    assert_problem(api.get(f"/orders/{placed['orderId']}"), 500)
