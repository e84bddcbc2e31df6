"""Public keys of the issuer of tokens: read once from a setting, or fetched and kept fresh.

PyJWT has a client of its own. It forgets the keys after five minutes even if the issuer is down
then, and fetches them again for each unknown key id, however many requests have one.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from threading import Event as Flag
from threading import Lock
from typing import Any, Final, Protocol, TypeAlias

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from workers.runtime.settlement import name_of

REFRESH_EVERY: Final = 300.0  # s; a key that the issuer has withdrawn is trusted for so long
REFRESH_AT_MOST_EVERY: Final = 10.0  # s, however many tokens name an unknown key
MIN_RSA_BITS: Final = 2048  # RFC 7518, 3.3
# The algorithms and, by them, the members that a JSON Web Key has to have (RFC 7518, 6).
_KINDS: Final = (("RS256", {"kty": "RSA"}), ("ES256", {"kty": "EC", "crv": "P-256"}))

_SHOWN: Final = 200  # characters of a text from outside that are logged

KeySet: TypeAlias = Mapping[str, jwt.PyJWK]  # by key id

log = structlog.get_logger()


class NoKeys(Exception):
    """There are no keys yet: nothing can be verified."""


class Keys(Protocol):
    """Keys by their id."""

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key; None if the issuer has none with this id. Raises ``NoKeys``."""


def parse(document: str | bytes) -> KeySet:
    """Return the keys of a JWKS document (RFC 7517) that verify RS256 or ES256.

    Others are left out: keys for encryption, symmetric or short keys, other algorithms, and keys
    that cannot be read (RFC 7517, 5). Raises ``ValueError`` if none remains.
    """
    content = json.loads(document)
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the document has no list of keys")  # noqa: TRY004 - a value from outside
    read = {each["kid"]: _usable(each) for each in listed if isinstance(each, dict) and _fits(each)}
    keys = {key_id: key for key_id, key in read.items() if key is not None and _strong(key)}
    if not keys:
        raise ValueError("the document has no key for RS256 or ES256")
    return keys


def _fits(key: Mapping[str, Any]) -> bool:
    return (
        isinstance(key.get("kid"), str)
        and key.get("use", "sig") == "sig"
        and any(_matches(key, algorithm, members) for algorithm, members in _KINDS)
    )


def _matches(key: Mapping[str, Any], algorithm: str, members: Mapping[str, str]) -> bool:
    return members.items() <= key.items() and key.get("alg", algorithm) == algorithm


def _usable(key: Mapping[str, Any]) -> jwt.PyJWK | None:
    [algorithm] = [name for name, members in _KINDS if _matches(key, name, members)]
    try:
        return jwt.PyJWK(dict(key), algorithm)
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        log.warning("keys.unreadable", keyId=key["kid"][:_SHOWN], errorType=name_of(error))
        return None


def _strong(key: jwt.PyJWK) -> bool:
    return not isinstance(key.key, RSAPublicKey) or key.key.key_size >= MIN_RSA_BITS


class GivenKeys:
    """Keys that never change."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, or None."""
        return self._keys.get(key_id)


class FetchedKeys:
    """Keys that a thread fetches every few minutes, and once more for an unknown key id.

    While the issuer does not answer, the keys from before go on. ``fetch`` returns the keys; it
    may take seconds, and raise any exception.
    """

    def __init__(
        self, fetch: Callable[[], KeySet], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._now = now
        self._keys: KeySet = {}
        self._tried = float("-inf")
        self._lock = Lock()
        self._refreshing: asyncio.Future[None] | None = None

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key. One that is unknown is looked for at the issuer, by one thread at a time.

        Raises ``NoKeys`` if the issuer has never answered.
        """
        if key_id not in self._keys:
            await self._refreshed()
        if not self._keys:
            raise NoKeys
        return self._keys.get(key_id)

    async def _refreshed(self) -> None:
        """Wait for the refresh that runs, or for a new one if the last was long enough ago."""
        if self._refreshing is None and self._due():
            self._refreshing = asyncio.ensure_future(asyncio.to_thread(self.refresh))
            self._refreshing.add_done_callback(self._forget)
        if self._refreshing is not None:
            await asyncio.shield(self._refreshing)  # a client that leaves does not end it

    def _forget(self, _: "asyncio.Future[None]") -> None:
        self._refreshing = None

    def _due(self) -> bool:
        return self._now() - self._tried >= REFRESH_AT_MOST_EVERY

    def refresh(self) -> None:
        """Fetch the keys, unless that was tried a moment ago. A failure is logged."""
        with self._lock:
            if not self._due():
                return
            try:
                self._keys = self._fetch()
            except Exception as error:  # noqa: BLE001 - whatever it is, the keys from before go on
                log.warning(
                    "keys.not_refreshed",
                    errorType=name_of(error),
                    reason=str(error)[:_SHOWN],
                    keys=len(self._keys),
                )
            self._tried = self._now()

    def watch(self, stopping: Flag) -> None:
        """Refresh until ``stopping`` is set; sooner while there are no keys."""
        while not stopping.wait(REFRESH_EVERY if self._keys else REFRESH_AT_MOST_EVERY):
            self.refresh()
