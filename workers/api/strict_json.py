"""Parses request bodies strictly: JSON only, no NaN, no duplicate keys, exact decimals."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import jiter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from workers.api.problems import Refused
from workers.envelope import json_fault


class StrictRequest(Request):
    """A request whose body must be unambiguous JSON."""

    async def json(self) -> Any:
        """Parse the body. Raises ``Refused`` if it is not strict JSON."""
        try:
            return jiter.from_json(
                await self.body(),
                allow_inf_nan=False,
                catch_duplicate_keys=True,
                float_mode="decimal",
            )
        except ValueError as error:
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                f"The request body is not valid JSON: {json_fault(error)}",
                kind="malformed-body",
            ) from None


class StrictRoute(APIRoute):
    """A route that accepts JSON bodies only."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that receives a ``StrictRequest``."""
        handler = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            # A body can be received only once; the StrictRequest caches it for the handler.
            if await strict.body():
                _require_plain(strict.headers.get("content-encoding", ""))
                _require_json(strict.headers.get("content-type", ""))
            return await handler(strict)

        return strictly


def _require_json(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The Content-Type must be application/json"
        )


def _require_plain(coding: str) -> None:
    """Refuse a compressed body: it may be a thousand times as large as it looks."""
    if coding.strip().lower() not in ("", "identity"):
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body must not be compressed",
            headers={"Accept-Encoding": "identity"},  # RFC 9110, 15.5.16
        )
