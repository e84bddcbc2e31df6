"""Maps each expected error to the problem that the client receives."""

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from workers.api.problems import CurrentPrice, FieldError, Refused, respond
from workers.runtime.errors import Conflict, InProgress, Unavailable
from workers.runtime.observability.logs import redact
from workers.services.lifecycle import NotAllowed
from workers.services.orders import UnknownOrder
from workers.services.prices import Prices, WrongPrice

EXPECTED: Final = (
    HTTPException,
    RequestValidationError,
    NotAllowed,
    UnknownOrder,
    WrongPrice,
    Conflict,
    Unavailable,
)
MAX_ERRORS: Final = 20  # keeps the response small, however many fields are invalid
MAX_NAME: Final = 100  # characters of a field's name: a client may have made it up
SOON: Final = 1  # s
LATER: Final = 5  # s; outages rarely end sooner


def handle_error(request: Request, error: Exception) -> Response:
    """Build the response for an expected error; leave the reason of an outage for the log."""
    if isinstance(error, Unavailable):
        request.state.failure = {"dependency": error.dependency, "reason": redact(str(error))}
    return respond(request.scope, refusal_for(error))


def refusal_for(error: Exception) -> Refused:  # noqa: PLR0911 - a table: one row per error
    """Return the refusal for an expected error. Any other error is raised again."""
    match error:
        case Refused():
            return error
        case HTTPException():
            return Refused(HTTPStatus(error.status_code), error.detail, headers=error.headers)
        case RequestValidationError():
            return _invalid(error)
        case NotAllowed():
            return Refused(HTTPStatus.CONFLICT, _sentence(error), kind="not-allowed")
        case UnknownOrder():
            return _UNKNOWN
        case WrongPrice(current=current):
            return _priced(current)
        case InProgress():
            detail = "A request with the same Idempotency-Key is still being processed"
            return Refused(HTTPStatus.CONFLICT, detail, kind="in-progress", retry_after=SOON)
        case Conflict():
            detail = "Other requests are changing this order"
            return Refused(HTTPStatus.CONFLICT, detail, kind="conflict", retry_after=SOON)
        case Unavailable(retry_after=wait):
            detail = "The order store is not responding; it is safe to retry"
            seconds = LATER if wait is None else math.ceil(wait)
            return Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, detail, kind="unavailable", retry_after=seconds
            )
        case _:
            raise error


_UNKNOWN: Final = Refused(HTTPStatus.NOT_FOUND, "This order does not exist", kind="order-not-found")


def _priced(current: Prices) -> Refused:
    prices = [
        CurrentPrice(sku=sku, price=f"{price.amount:.2f}", currency=price.currency)
        for sku, price in current.items()
    ]
    return Refused(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The price of an item is another; `prices` has the current ones",
        kind="price-changed",
        prices=prices,
    )


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _invalid(error: RequestValidationError) -> Refused:
    problems = error.errors()
    if any(problem["loc"][0] == "path" for problem in problems):
        return _UNKNOWN
    errors = [
        FieldError(
            field=_field(problem["loc"]), message=problem["msg"].removeprefix("Value error, ")
        )
        for problem in problems[:MAX_ERRORS]
    ]
    names = ", ".join(error.field for error in errors[:3])
    return Refused(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"Invalid or missing fields: {names}",
        kind="invalid-request",
        errors=errors,
    )


def _field(location: Sequence[str | int]) -> str:
    """Format ("body", "items", 0, "sku") as ``items[0].sku``."""
    name = ""
    for part in location[1:]:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.removeprefix(".")[:MAX_NAME] or str(location[0])
