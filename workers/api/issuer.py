"""Fetches the keys of an issuer: OpenID Connect Discovery, as API Gateway does, then the JWKS.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

import json
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import urllib3

from workers.api.keys import KeySet, parse

CONFIGURATION: Final = "/.well-known/openid-configuration"
TIMEOUT: Final = urllib3.Timeout(connect=2, read=3)  # s
MAX_DOCUMENT: Final = 100_000  # bytes; a JWKS has 1 to 10 KB
_OK: Final = 200
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")


class IssuerError(Exception):
    """The issuer gave an answer that cannot be used."""


def is_safe(url: str) -> bool:
    """Return whether nobody on the way can change what the URL answers: HTTPS, or this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as an unfinished IPv6 address
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_MACHINE)
    )


@dataclass(frozen=True)
class Issuer:
    """The issuer of tokens. ``jwks_url`` is asked directly if it is known."""

    issuer: str
    jwks_url: str | None = None
    _http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(timeout=TIMEOUT, retries=False)
    )

    def keys(self) -> KeySet:
        """Fetch the keys. Raises ``IssuerError``, ``ValueError`` or urllib3's errors."""
        return parse(self._get(self.jwks_url or self._discovered()))

    def _discovered(self) -> str:
        """Ask for the URL of the keys: a new one may be announced at any time."""
        found = json.loads(self._get(self.issuer.rstrip("/") + CONFIGURATION))
        if not isinstance(found, dict) or found.get("issuer") != self.issuer:
            raise IssuerError("the configuration is that of another issuer")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not is_safe(url):
            raise IssuerError("the configuration names no safe URL of keys")
        return url

    def _get(self, url: str) -> bytes:
        """Follow no redirect: it could lead anywhere."""
        answer = self._http.request("GET", url, redirect=False, preload_content=False)
        try:
            body: bytes = answer.read(MAX_DOCUMENT + 1)
        finally:
            answer.release_conn()
        if answer.status != _OK or len(body) > MAX_DOCUMENT:
            raise IssuerError(f"the answer has status {answer.status} and {len(body)} bytes")
        return body
