"""Composes the HTTP application: routes, problems, gate and access log around the desk."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from workers.api import routes
from workers.api.access import Access, AccessMetrics
from workers.api.fast_path import FastPath, Outbox
from workers.api.gate import HEALTH, Gate
from workers.api.problems import Problem, documented
from workers.api.refusals import EXPECTED, answer
from workers.api.strict_json import StrictRoute
from workers.runtime.ports import Store, Topic
from workers.services.orders import OrderCommands

DESCRIPTION: Final = """\
Takes orders and publishes what happens to them.

A change is answered with 202 once it is recorded for good; the services act on it afterwards.
Send an `Idempotency-Key` with every POST and repeat it until an answer arrives: nothing is
done twice. Every error is an `application/problem+json` (RFC 9457).
"""

_TO_PLACE: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_TO_READ: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)
_TO_CHANGE: Final = (HTTPStatus.NOT_FOUND, *_TO_PLACE)


def create_app(
    desk: OrderCommands,
    store: Store,
    topic: Topic,
    outbox: Outbox,
    *,
    allow_simulation: bool,
    registry: CollectorRegistry,
) -> FastAPI:
    """Make the application. ``store`` writes an outbox row for each outcome.

    With ``allow_simulation`` an order may say how the services are to pretend it goes.
    """
    app = OrderApi(
        title="order-api",
        description=DESCRIPTION,
        version="1.0",
        redirect_slashes=False,
        redoc_url=None,
    )
    endpoints = routes.Endpoints(desk, store, FastPath(topic, outbox))
    app.include_router(_orders(endpoints, allow_simulation=allow_simulation))
    app.add_api_route(HEALTH, routes.health, tags=["operations"])
    for error in EXPECTED:
        app.add_exception_handler(error, answer)
    app.add_middleware(Gate)
    app.add_middleware(Access, metrics=AccessMetrics(registry))
    return app


class OrderApi(FastAPI):
    """Documents problems instead of FastAPI's own shape of a validation error."""

    def openapi(self) -> dict[str, Any]:
        """Give the OpenAPI document."""
        document = super().openapi()
        schemas = document["components"]["schemas"]
        if "Problem" not in schemas:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= problem.pop("$defs") | {"Problem": problem}
        return document


def _orders(endpoints: routes.Endpoints, *, allow_simulation: bool) -> APIRouter:
    router = APIRouter(prefix="/orders", route_class=StrictRoute, tags=["orders"])
    place = endpoints.place_demonstration if allow_simulation else endpoints.place
    for path, act, name, statuses in (
        ("", place, "placeOrder", _TO_PLACE),
        ("/{orderId}/cancel", endpoints.cancel, "cancelOrder", _TO_CHANGE),
        ("/{orderId}/refund", endpoints.refund, "refundOrder", _TO_CHANGE),
        ("/{orderId}/ship", endpoints.ship, "shipOrder", _TO_CHANGE),
    ):
        router.add_api_route(
            path,
            act,
            methods=["POST"],
            operation_id=name,
            responses=documented(*statuses) | _ACCEPTED,
            status_code=HTTPStatus.ACCEPTED,
        )
    router.add_api_route(
        "/{orderId}", endpoints.read, operation_id="readOrder", responses=documented(*_TO_READ)
    )
    return router


_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.ACCEPTED.value: {
        "description": "Recorded for good",
        "headers": {
            "Location": {"description": "The order", "schema": {"type": "string"}},
            "Idempotent-Replayed": {
                "description": "`true` if the request was carried out when it was sent before",
                "schema": {"type": "string"},
            },
        },
    }
}
