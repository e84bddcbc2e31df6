"""Chooses how order-api finds out who calls: the setting ``AUTH``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Final

from workers.api.authentication import Identify, everybody
from workers.api.issuer import Issuer, is_safe
from workers.api.keys import FetchedKeys, GivenKeys, Keys, parse
from workers.api.tokens import Tokens
from workers.runtime.errors import SettingsError
from workers.settings import Settings

Loop = Callable[[Flag], None]
_KEYS: Final = "keys"


@dataclass(frozen=True)
class Entrance:
    """How callers are identified, and the loops that this needs, by name."""

    identify: Identify
    loops: dict[str, Loop] = field(default_factory=dict)


def entrance(settings: Settings, *, on_aws: bool) -> Entrance:
    """Build what identifies callers. Fetches keys once, and goes on without an answer.

    Raises ``SettingsError`` if a setting is missing or unusable, or if nobody would be asked on
    AWS: orders there must not be open to everybody by accident.
    """
    if settings.auth == "jwt":
        keys, loops = _keys(settings, _issuer(settings))
        audiences = frozenset(settings.jwt_audience.replace(",", " ").split())
        if not audiences:
            raise SettingsError("JWT_AUDIENCE: must be set for AUTH=jwt")
        return Entrance(Tokens(keys, _issuer(settings), audiences).caller, loops)
    if on_aws:
        raise SettingsError(
            "AUTH: must be jwt on AWS, with JWT_ISSUER and JWT_AUDIENCE, "
            "or everybody could read and refund every order"
        )
    return Entrance(everybody)


def _issuer(settings: Settings) -> str:
    if not settings.jwt_issuer or not is_safe(settings.jwt_issuer):
        raise SettingsError("JWT_ISSUER: must be an https URL for AUTH=jwt")
    return settings.jwt_issuer


def _keys(settings: Settings, issuer: str) -> tuple[Keys, dict[str, Loop]]:
    if settings.jwt_keys:
        if settings.jwt_jwks_url:
            raise SettingsError("JWT_KEYS: must not be set together with JWT_JWKS_URL")
        try:
            return GivenKeys(parse(settings.jwt_keys)), {}
        except ValueError as error:
            raise SettingsError(f"JWT_KEYS: {error}") from error
    if settings.jwt_jwks_url and not is_safe(settings.jwt_jwks_url):
        raise SettingsError("JWT_JWKS_URL: must be an https URL")
    keys = FetchedKeys(Issuer(issuer, settings.jwt_jwks_url or None).keys)
    keys.refresh()
    return keys, {_KEYS: keys.watch}
