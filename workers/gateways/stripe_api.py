"""Sends requests to Stripe's API, and translates its errors.

https://docs.stripe.com/api/errors and https://docs.stripe.com/error-low-level
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlencode

import orjson
import urllib3

from workers.aws.certificates import authorities
from workers.aws.proxies import pool_manager
from workers.runtime.errors import PermanentError, Unavailable
from workers.version import USER_AGENT

DEPENDENCY: Final = "payment-gateway"
# An account's default version changes when someone upgrades it in the Dashboard.
# https://docs.stripe.com/api/versioning
API_VERSION: Final = "2024-06-20"
CONNECT_TIMEOUT: Final = 2.0  # s
# An issuer may take several seconds to decide. After a timeout, the next call asks for the result.
READ_TIMEOUT: Final = 30.0  # s

_OK: Final = 200
_SERVER_ERROR: Final = 500
# Nothing is wrong with the request: our credentials are (401, 403), Stripe is busy with the same
# object or key (409), a dependency of Stripe failed (424), or we are too fast (429).
_ENVIRONMENT: Final = frozenset({401, 403, 408, 409, 424, 429})


class ServerError(Unavailable):
    """Stripe answered with a server error, which it repeats for the same idempotency key."""


class Refusal(PermanentError):
    """Stripe refused the content of a request.

    The text names the error without its message, which may quote a token.
    """

    def __init__(self, status: int, error: Mapping[str, Any], request_id: str) -> None:
        """``error`` is Stripe's error object."""
        self.kind, self.code, self.param, self.message = (
            str(error.get(name) or "") for name in ("type", "code", "param", "message")
        )
        named = " ".join(filter(None, (self.kind, self.code, self.param)))
        super().__init__(f"{DEPENDENCY}: {status} {named} ({request_id})")


@dataclass(frozen=True)
class StripeApi:
    """Stripe's API at ``url``. Thread-safe."""

    url: str
    key: str = field(repr=False)
    pool: urllib3.PoolManager

    @classmethod
    def connect(cls, url: str, key: str, *, connections: int) -> Self:
        """Prepare for ``connections`` requests at once. Opens no connection yet."""
        pool = pool_manager(
            url,
            cert_reqs="CERT_REQUIRED",
            ca_certs=authorities(),
            maxsize=connections,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        )
        return cls(url.rstrip("/"), key, pool)

    def get(self, path: str) -> dict[str, Any]:
        """Read an object. Raises as ``post``."""
        return self._send("GET", path, None, {})

    def post(
        self, path: str, fields: Mapping[str, str], *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Create or change an object, and return it.

        Raises ``Refusal`` for the content of the request and ``Unavailable`` for anything else: an
        unclear answer means that the request may or may not have had its effect.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return self._send("POST", path, urlencode(fields), headers)

    def _send(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> dict[str, Any]:
        try:
            answer = self.pool.urlopen(
                method,
                f"{self.url}/v1/{path}",
                body=body,
                headers={
                    "Authorization": f"Bearer {self.key}",
                    "Stripe-Version": API_VERSION,
                    "User-Agent": USER_AGENT,
                }
                | headers,
                redirect=False,  # never send the key anywhere else
                retries=False,  # the runtime retries, with delays
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(
                f"{DEPENDENCY}: {type(error).__name__}", dependency=DEPENDENCY
            ) from error
        return _result(answer)


def _result(answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    fields, request_id = _parse(answer.data), answer.headers.get("Request-Id", "no request id")
    if answer.status == _OK and isinstance(fields.get("id"), str):
        return fields
    told = f"{DEPENDENCY}: {answer.status} ({request_id})"
    if answer.status >= _SERVER_ERROR:
        raise ServerError(told, dependency=DEPENDENCY)
    error = fields.get("error")
    # Anything but Stripe's JSON comes from a proxy or a firewall.
    if answer.status in _ENVIRONMENT or not isinstance(error, dict):
        raise Unavailable(told, dependency=DEPENDENCY)
    raise Refusal(answer.status, error, request_id)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}
