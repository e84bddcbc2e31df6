"""Refuses requests that have not come through CloudFront.

The API's own address stays public, because API Gateway cannot tell who calls it. CloudFront adds a
key to each request, and replaces a header of that name that a client sends: terraform/edge.tf.
"""

import hmac
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from workers.api.gate import HEALTH
from workers.api.problems import Refused, respond

HEADER: Final = b"x-origin-key"  # ASGI has names in lower case

_REFUSED: Final = Refused(
    HTTPStatus.FORBIDDEN, "Use the public address of the API", kind="wrong-address"
)


class Origin:
    """ASGI middleware that serves only requests with one of the keys, and health checks.

    There are two keys while they are rotated.
    """

    def __init__(self, app: ASGIApp, *, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or respond with a problem: 403. The body is not read."""
        if scope["type"] != "http" or scope["path"] == HEALTH or self._knows(scope):
            await self._app(scope, receive, send)
        else:
            await respond(scope, _REFUSED)(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        """Compare in constant time: an early exit would tell how much of a guess is right."""
        given = dict(scope["headers"]).get(HEADER, b"")
        matches = [hmac.compare_digest(given, key) for key in self._keys]
        return any(matches)
