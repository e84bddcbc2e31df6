"""Builds what verifies tokens from the settings ``JWT_*``."""

from typing import Final

from workers.api.choice import Loop
from workers.api.issuer import Issuer, is_safe
from workers.api.keys import FetchedKeys, GivenKeys, Keys, parse
from workers.api.tokens import Tokens
from workers.runtime.errors import SettingsError
from workers.settings import Settings

_KEYS: Final = "keys"


def verification(settings: Settings) -> tuple[Tokens, dict[str, Loop]]:
    """Return the verifier and the loops that it needs, by name. Fetches keys once.

    Raises ``SettingsError`` if a setting is missing or unusable.
    """
    issuer = _issuer(settings)
    keys, loops = _keys(settings, issuer)
    audiences = frozenset(settings.jwt_audience.replace(",", " ").split())
    if not audiences:
        raise SettingsError("JWT_AUDIENCE: must be set for AUTH=jwt")
    return Tokens(keys, issuer, audiences), loops


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
