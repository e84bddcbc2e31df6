"""Every error as an RFC 9457 problem: https://www.rfc-editor.org/rfc/rfc9457."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Problem(BaseModel):
    """The answer to a request that was not carried out."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] | None = None


class Refused(HTTPException):
    """A request that is not carried out, and why.

    ``kind`` names the problem for programs ("order-not-found"); without it the status says all.
    ``retry_after`` (s) tells the client when trying again makes sense.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: str = "",
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        waiting = {} if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(status.value, detail, {**(headers or {}), **waiting})
        self.kind = kind
        self.errors = errors


def respond(scope: Scope, refused: Refused) -> Response:
    """Make the response to a refused request."""
    kind = refused.kind
    problem = Problem(
        type=f"urn:problem-type:{kind}" if kind else "about:blank",
        title=kind.replace("-", " ").capitalize() or HTTPStatus(refused.status_code).phrase,
        status=refused.status_code,
        detail=refused.detail,
        instance=quote(scope["path"]),
        errors=list(refused.errors) or None,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=refused.status_code,
        headers=dict(refused.headers or {}),
        media_type=MEDIA_TYPE,
    )


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Describe problem responses for OpenAPI; ``Problem`` is added to its schemas by ``app``."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    described: dict[int | str, dict[str, Any]] = {
        status.value: {"description": status.phrase, "content": content} for status in statuses
    }
    return described | {"default": {"description": "Any other error", "content": content}}
