"""order-api's OpenAPI document is complete and consistent, and documents every error."""

import pytest
from support.order_api import Api

from workers.api.callers import NEEDED

PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def document():
    return Api().get("/openapi.json").json()


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document, reference):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def operations(document):
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_has_every_route(document):
    assert {(path, method) for path, method, _ in operations(document)} == {
        ("/orders", "post"),
        ("/orders/{orderId}", "get"),
        ("/orders/{orderId}/cancel", "post"),
        ("/orders/{orderId}/refund", "post"),
        ("/orders/{orderId}/ship", "post"),
        ("/healthz", "get"),
    }


def test_every_reference_resolves(document):
    for reference in references(document):
        assert resolve(document, reference)


def test_every_error_is_documented_as_a_problem(document):
    for path, _, operation in operations(document):
        if path == "/healthz":
            continue
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                assert response["content"] == {"application/problem+json": {"schema": PROBLEM}}
        assert "default" in operation["responses"]


def test_every_operation_on_orders_names_the_scopes_of_which_it_needs_one(document):
    [name] = document["components"]["securitySchemes"]
    found = {
        operation["operationId"]: [each[name] for each in operation["security"]]
        for path, _, operation in operations(document)
        if path != "/healthz"
    }
    assert found == {f"{action}Order": [[s] for s in scopes] for action, scopes in NEEDED.items()}
    for path, _, operation in operations(document):
        assert path == "/healthz" or {"401", "403"} <= operation["responses"].keys()


def test_every_operation_has_a_description(document):
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert operation["description"]


def test_the_frameworks_own_error_schema_is_removed(document):
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_simulations_are_documented_only_where_they_are_allowed(document):
    granted = Api(allow_simulation=True).get("/openapi.json").json()

    assert "paymentOutcome" not in str(document)
    assert "paymentOutcome" in str(granted)


def test_the_idempotency_key_is_documented(document):
    names = {p["name"] for p in document["paths"]["/orders"]["post"]["parameters"]}

    assert names == {"Idempotency-Key", "traceparent"}


def test_the_interactive_documentation_is_served():
    answer = Api().get("/docs")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
