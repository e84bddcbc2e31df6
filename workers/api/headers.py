"""Adds the usual security headers to every response.

https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
"""

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.api.docs import PAGE

_NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Swagger UI has its icons as data URLs, and sends the requests that a reader tries.
_DOCS: Final = (
    f"{_NOTHING}; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
)
ALWAYS: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers without frame-ancestors
}
# Only over TLS: RFC 6797, 7.2. No other name of the domain is ours to decide about.
HSTS: Final = "max-age=31536000"  # a year


class SecurityHeaders:
    """The outermost ASGI middleware. A response that says how it may be cached keeps that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(ALWAYS)
                headers.setdefault("Cache-Control", "no-store")
                docs = scope["path"] == PAGE
                headers["Content-Security-Policy"] = _DOCS if docs else _NOTHING
                if _over_tls(Headers(scope=scope)):
                    headers["Strict-Transport-Security"] = HSTS
            await send(message)

        await self._app(scope, receive, secured)


def _over_tls(request: Headers) -> bool:
    """Return whether the client used TLS, as the gateway says (RFC 7239, or its predecessor)."""
    forwarded = request.get("forwarded", "").lower().replace(" ", "").replace('"', "")
    return "proto=https" in forwarded or request.get("x-forwarded-proto", "").lower() == "https"
