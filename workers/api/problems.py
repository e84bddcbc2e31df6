"""Error responses as RFC 9457 problems: https://www.rfc-editor.org/rfc/rfc9457."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(BaseModel):
    """An error in one field of a request."""

    field: str
    message: str


class CurrentPrice(BaseModel):
    """What one unit of an item costs."""

    sku: str
    price: Annotated[str, Field(examples=["869.99"])]
    currency: str


class Problem(BaseModel):
    """The body of an error response. Only ``price-changed`` has prices."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] | None = None
    prices: list[CurrentPrice] | None = None


class Refused(HTTPException):
    """A request is refused; ``detail`` tells people why.

    ``kind`` identifies the problem for programs ("order-not-found"); if empty, the status
    suffices. ``retry_after`` (s) becomes the ``Retry-After`` header.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: str = "",
        errors: Sequence[FieldError] = (),
        prices: Sequence[CurrentPrice] = (),
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        waiting = {} if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(status.value, detail, {**(headers or {}), **waiting})
        self.kind = kind
        self.errors = errors
        self.prices = prices


def respond(scope: Scope, refused: Refused) -> Response:
    """Build the response to a refused request."""
    kind = refused.kind
    problem = Problem(
        type=f"urn:problem-type:{kind}" if kind else "about:blank",
        title=kind.replace("-", " ").capitalize() or HTTPStatus(refused.status_code).phrase,
        status=refused.status_code,
        detail=refused.detail,
        instance=quote(scope["path"]),
        errors=list(refused.errors) or None,
        prices=list(refused.prices) or None,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=refused.status_code,
        headers=dict(refused.headers or {}),
        media_type=MEDIA_TYPE,
    )


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Describe problem responses for OpenAPI. ``app`` adds ``Problem`` to the schemas."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    described: dict[int | str, dict[str, Any]] = {
        status.value: {"description": status.phrase, "content": content} for status in statuses
    }
    return described | {"default": {"description": "Any other error", "content": content}}
