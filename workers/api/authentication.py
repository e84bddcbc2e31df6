"""Finds out who calls before anything else is done, and says in the API document what is needed."""

from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from workers.api.callers import EVERYBODY, NEEDED, Action, Caller
from workers.api.gate import HEALTH
from workers.api.problems import Refused, respond

AUTHORIZATION: Final = b"authorization"
SCHEME: Final = "Bearer"
SECURITY: Final = "accessToken"  # the name of the scheme in the API document
SCHEMES: Final = {SECURITY: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}

# Takes the Authorization header; raises ``Refused``.
Identify = Callable[[str | None], Awaitable[Caller]]


def unauthorized(detail: str, *, error: str = "") -> Refused:
    """Return the refusal of a request without a valid token.

    A request without any token gets no error code (RFC 6750, 3.1).
    """
    challenge = f'{SCHEME} error="{error}", error_description="{detail}"' if error else SCHEME
    return Refused(
        HTTPStatus.UNAUTHORIZED,
        detail,
        kind="invalid-token" if error else "token-required",
        headers={"WWW-Authenticate": challenge},
    )


def insufficient(scope: str) -> Refused:
    """Return the refusal of a request whose token lacks a scope."""
    return Refused(
        HTTPStatus.FORBIDDEN,
        f"The token lacks the scope {scope}",
        kind="insufficient-scope",
        headers={"WWW-Authenticate": f'{SCHEME} error="insufficient_scope", scope="{scope}"'},
    )


async def everybody(_authorization: str | None) -> Caller:
    """Let everybody do everything, whatever the header says."""
    return EVERYBODY


class Authentication:
    """ASGI middleware that puts the ``Caller`` on ``request.state.caller``.

    Health checks and the pages in ``public`` need no token. The body of a refused request is not
    read.
    """

    def __init__(self, app: ASGIApp, *, identify: Identify, public: Collection[str] = ()) -> None:
        self._app = app
        self._identify = identify
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or respond with a problem: 401 or 503."""
        if scope["type"] != "http" or scope["path"] == HEALTH or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            state["caller"] = await self._identify(_header(scope))
        except Refused as refused:
            if refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                state["failure"] = {"dependency": "issuer", "reason": refused.detail}
            await respond(scope, refused)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _header(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == AUTHORIZATION]
    if len(values) > 1:
        raise unauthorized("Send one Authorization header", error="invalid_request")
    return values[0].decode("latin-1") if values else None


def requires(action: Action) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency of a route that refuses callers without a scope for the action."""
    least = NEEDED[action][0]

    async def check(request: Request) -> None:
        caller: Caller = request.state.caller
        if not caller.may(action):
            raise insufficient(least)

    return check


def documented_scopes(action: Action) -> dict[str, Any]:
    """Describe the scopes of a route for OpenAPI 3.1: any one of them suffices."""
    return {"security": [{SECURITY: [scope]} for scope in NEEDED[action]]}
