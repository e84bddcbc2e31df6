"""Builds the HTTP application: routes, error responses, request limits and access log."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from workers.api import routes
from workers.api.access import Access, AccessMetrics
from workers.api.authentication import (
    SCHEMES,
    Authentication,
    Identify,
    documented_scopes,
    everybody,
    requires,
)
from workers.api.call import SOURCE
from workers.api.callers import Action
from workers.api.docs import DOCUMENT, documentation, pages
from workers.api.fast_path import FastPath, Outbox
from workers.api.gate import HEALTH, Gate
from workers.api.headers import SecurityHeaders
from workers.api.origin import Origin
from workers.api.problems import Problem, documented
from workers.api.rate import RateLimit
from workers.api.refusals import EXPECTED, handle_error
from workers.api.responses import Accepted, OrderView
from workers.api.strict_json import StrictRoute
from workers.api.upstream import Upstream
from workers.envelope import Sign
from workers.runtime.dependencies import Dependencies
from workers.runtime.ports import Store, Topic
from workers.services.orders import OrderCommands

DEPENDENCIES: Final = ("dynamodb", "credentials")  # of the request path
PROBE: Final = f"{SOURCE}#probe"
DESCRIPTION: Final = """\
Accepts orders and publishes their events.

The API answers 202 once a change is stored durably; the services process it afterwards.
Send an `Idempotency-Key` with every POST, and retry with the same key until you get a response:
no change is made twice. Every error is an `application/problem+json` document (RFC 9457).
"""

_CALLER_ERRORS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_PLACE_ERRORS: Final = (
    *_CALLER_ERRORS,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_READ_ERRORS: Final = (
    *_CALLER_ERRORS,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_CHANGE_ERRORS: Final = (HTTPStatus.NOT_FOUND, *_PLACE_ERRORS)


def create_app(
    commands: OrderCommands,
    store: Store,
    topic: Topic,
    outbox: Outbox,
    *,
    allow_simulation: bool,
    origin_keys: Sequence[str] = (),
    registry: CollectorRegistry,
    upstream: Upstream | None = None,
    ordered: bool = False,
    sign: Sign | None = None,
    identify: Identify = everybody,
    docs: bool = False,
    rate: RateLimit | None = None,
) -> FastAPI:
    """Build the application. ``store`` must write an outbox row for each outcome.

    With ``allow_simulation``, an order may ask the services to simulate an outcome. With
    ``origin_keys``, only requests that have one of them are served; see ``Origin``.
    ``upstream`` refuses requests while ``store`` does not answer, ``rate`` those of a caller that
    sends too many. ``ordered``: see ``FastPath``. ``sign`` signs the events. ``identify`` finds out
    who calls. With ``docs``, the API document and its page are served, to everybody.
    """
    upstream = upstream or upstream_of(store, Dependencies(registry, DEPENDENCIES))
    app = OrderApi(
        title="order-api",
        description=DESCRIPTION,
        version="1.0",
        docs_url=None,  # it would load its scripts from a CDN; see ``docs``
        openapi_url=DOCUMENT if docs else None,
        redirect_slashes=False,
        redoc_url=None,
    )
    endpoints = routes.Endpoints(
        commands, store, FastPath(topic, outbox, ordered), upstream, sign, rate
    )
    app.include_router(_orders(endpoints, allow_simulation=allow_simulation))
    if docs:
        app.include_router(documentation(app.title))
    app.add_api_route(HEALTH, routes.health, tags=["operations"])
    for error in EXPECTED:
        app.add_exception_handler(error, handle_error)
    app.add_middleware(Gate)
    app.add_middleware(Authentication, identify=identify, public=pages() if docs else ())
    if origin_keys:
        app.add_middleware(Origin, keys=origin_keys)
    app.add_middleware(Access, metrics=AccessMetrics(registry))
    app.add_middleware(SecurityHeaders)
    return app


def upstream_of(store: Store, dependencies: Dependencies) -> Upstream:
    """Return what keeps requests from waiting for ``store``. The probe reads a row of nobody."""
    return Upstream(dependencies, lambda: store.recall(PROBE))


class OrderApi(FastAPI):
    """A FastAPI application that documents RFC 9457 problems, not FastAPI's own error schema."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        document = super().openapi()
        document["components"]["securitySchemes"] = SCHEMES
        schemas = document["components"]["schemas"]
        if "Problem" not in schemas:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= problem.pop("$defs") | {"Problem": problem}
        return document


def _orders(endpoints: routes.Endpoints, *, allow_simulation: bool) -> APIRouter:
    router = APIRouter(prefix="/orders", route_class=StrictRoute, tags=["orders"])
    place = endpoints.place_demonstration if allow_simulation else endpoints.place
    changes: tuple[tuple[str, Callable[..., Response], Action, Sequence[HTTPStatus]], ...] = (
        ("", place, "place", _PLACE_ERRORS),
        ("/{orderId}/cancel", endpoints.cancel, "cancel", _CHANGE_ERRORS),
        ("/{orderId}/refund", endpoints.refund, "refund", _CHANGE_ERRORS),
        ("/{orderId}/ship", endpoints.ship, "ship", _CHANGE_ERRORS),
    )
    for path, act, action, statuses in changes:
        router.add_api_route(
            path,
            act,
            dependencies=[Depends(requires(action))],
            methods=["POST"],
            openapi_extra=documented_scopes(action),
            operation_id=f"{action}Order",
            response_model=Accepted,
            responses=documented(*statuses) | _ACCEPTED,
            status_code=HTTPStatus.ACCEPTED,
        )
    router.add_api_route(
        "/{orderId}",
        endpoints.read,
        dependencies=[Depends(requires("read"))],
        openapi_extra=documented_scopes("read"),
        operation_id="readOrder",
        response_model=OrderView,
        responses=documented(*_READ_ERRORS),
    )
    return router


_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.ACCEPTED.value: {
        "description": "The change is stored durably",
        "headers": {
            "Location": {"description": "The URL of the order", "schema": {"type": "string"}},
            "Idempotent-Replayed": {
                "description": "`true` if an earlier request with this key made the change",
                "schema": {"type": "string"},
            },
        },
    }
}
