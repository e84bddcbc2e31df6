"""Verifies the access tokens of callers: signed JWTs (RFC 7519, RFC 9068).

The keys decide which algorithm verifies a signature, never the token: ``keys``. Nothing that a
token names (``jku``, ``x5u``) is fetched.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import jwt

from workers.api.authentication import SCHEME, unauthorized
from workers.api.callers import MAX_SUBJECT, Caller, known_scopes
from workers.api.keys import Keys, NoKeys
from workers.api.problems import Refused

LEEWAY: Final = 60  # s that the clocks of the issuer and of this machine may differ
REQUIRED: Final = ("exp", "iss", "sub")
RETRY_AFTER: Final = 5  # s; the keys are fetched again by then

# RFC 6750, 3.1. The texts must not contain quotes.
_TEXTS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (jwt.ExpiredSignatureError, "The token has expired"),
    (jwt.ImmatureSignatureError, "The token is not valid yet"),
    (jwt.InvalidIssuerError, "The token is from another issuer"),
    (jwt.InvalidAudienceError, "The token is for another audience"),
    (jwt.MissingRequiredClaimError, "The token lacks a required claim"),
)
_UNVERIFIED: Final = "The token cannot be verified"


@dataclass(frozen=True)
class Tokens:
    """Verifies tokens of one issuer, for any of some audiences."""

    keys: Keys
    issuer: str
    audiences: frozenset[str]

    async def caller(self, authorization: str | None) -> Caller:
        """Return the caller that an ``Authorization`` header proves.

        Waits for nothing but new keys, at most once every few seconds. Raises ``Refused``: 401 for
        a missing or invalid token, 503 while there are no keys.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != SCHEME.lower() or not token.strip():
            raise unauthorized("Send an access token: Authorization: Bearer TOKEN")
        try:
            return self._caller(await self._claims(token.strip()))
        except NoKeys as error:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The keys of the token's issuer cannot be read; it is safe to retry",
                kind="unavailable",
                retry_after=RETRY_AFTER,
            ) from error
        except jwt.PyJWTError as error:
            text = next((text for kind, text in _TEXTS if isinstance(error, kind)), _UNVERIFIED)
            raise unauthorized(text, error="invalid_token") from None

    async def _claims(self, token: str) -> Mapping[str, Any]:
        key_id = jwt.get_unverified_header(token).get("kid")
        key = await self.keys.find(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise jwt.InvalidKeyError("no key with this id")
        # The audience is checked below: PyJWT does not know Cognito's tokens, which have none.
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=self.issuer,
            leeway=LEEWAY,
            options={"require": list(REQUIRED), "verify_aud": False},
        )
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        if self.audiences.isdisjoint(_audiences(claims)):
            raise jwt.InvalidAudienceError
        subject = claims["sub"]
        if not subject or len(subject) > MAX_SUBJECT:
            raise jwt.InvalidTokenError("no usable subject")
        return Caller(subject, known_scopes(_scopes(claims)))


def _audiences(claims: Mapping[str, Any]) -> Collection[str]:
    """Return the audiences of a token; without ``aud``, its client, as API Gateway does.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
    """
    return _texts(claims.get("aud", claims.get("client_id")), separated=False)


def _scopes(claims: Mapping[str, Any]) -> Collection[str]:
    """Return ``scope`` (RFC 8693), or ``scp``, which others have instead: text or list."""
    return _texts(claims.get("scope", claims.get("scp")), separated=True)


def _texts(value: object, *, separated: bool) -> Collection[str]:
    match value:
        case str():
            return value.split() if separated else [value]
        case list():
            return [each for each in value if isinstance(each, str)]
        case _:
            return []
