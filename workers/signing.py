"""Signs events, and refuses those that no holder of a key has signed.

The signature is the last field of the body:

    {"eventId":...,"data":{...},"signature":"2026-11:6f0c..."}

It names the key, and has the HMAC-SHA256 of the body without that field, byte for byte. An event
is encoded once, so it is signed once: outbox rows, inbox rows, the archive and dead letters hold
the signature with the body, and attributes of messages stay as they are. A version that knows no
signatures ignores the field.
"""

import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

import structlog

from workers.envelope import EnvelopeError
from workers.runtime.errors import SettingsError

if TYPE_CHECKING:
    from workers.settings import Settings

Mode: TypeAlias = Literal["sign", "require"]

FIELD: Final = "signature"
# As long as the hash: https://www.rfc-editor.org/rfc/rfc2104#section-3
MIN_KEY_BYTES: Final = 32
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
# Anchored at the very end: what follows the signature would not be signed.
_SIGNATURE: Final = re.compile(rf',"{FIELD}":"([A-Za-z0-9._-]{{1,40}}):([0-9a-f]{{64}})"}}\Z')
_LONGEST: Final = len(f',"{FIELD}":":"}}') + 40 + 64
_QUIET: Final = 60.0  # s between two warnings of one kind

log = structlog.get_logger()


class SignatureError(EnvelopeError):
    """A signature is missing or wrong: the event is not to be believed."""


class Unsigned(SignatureError):
    """The event has no signature."""

    name = "unsigned"


class UnknownKey(SignatureError):
    """The event names a key that this process does not have."""

    name = "unknown_key"


class WrongSignature(SignatureError):
    """The event is not what was signed."""

    name = "wrong_signature"


def is_signed(body: str) -> bool:
    """Tell whether a body ends in a signature, right or wrong."""
    return _SIGNATURE.search(body, max(0, len(body) - _LONGEST)) is not None


class Signing:
    """Signs with one key and verifies with several, so that a key can be replaced."""

    def __init__(
        self,
        keys: Mapping[str, str],
        current: str,
        mode: Mode = "require",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``keys`` by id, ``current`` is the id of the one that signs. Raises ``SettingsError``."""
        for key_id, key in keys.items():
            if not _ID.fullmatch(key_id):
                raise SettingsError("SIGNING_KEYS: an id has 1 to 40 letters, digits, . _ and -")
            if not isinstance(key, str) or len(key.encode()) < MIN_KEY_BYTES:
                raise SettingsError(f"SIGNING_KEYS: {key_id} is shorter than {MIN_KEY_BYTES} bytes")
        if current not in keys:
            raise SettingsError(f"SIGNING_KEY_ID: SIGNING_KEYS has no key {current or '(empty)'}")
        self._keys = {key_id: key.encode() for key_id, key in keys.items()}
        self._current = current
        self._required = mode == "require"
        self._now = now
        self._warned: dict[str, float] = {}

    @classmethod
    def of(cls, settings: "Settings") -> Self | None:
        """Read the keys from the settings; None if signing is off. Raises ``SettingsError``."""
        if settings.signing == "off":
            return None
        text = settings.signing_keys.get_secret_value() if settings.signing_keys else "{}"
        try:
            keys = json.loads(text)
        except ValueError:
            keys = None
        if not isinstance(keys, dict):
            raise SettingsError("SIGNING_KEYS: must be a JSON object, a key by its id")
        return cls(keys, settings.signing_key_id, settings.signing)

    def sign(self, body: str) -> str:
        """Return the body, a JSON object with fields, with its signature."""
        start = body.rstrip().removesuffix("}")
        digest = self._digest(self._keys[self._current], start)
        return f'{start},"{FIELD}":"{self._current}:{digest}"}}'

    def signed(self, body: str) -> str:
        """Return a body that a person wrote with a signature: its own, if it ends in one."""
        body = body.rstrip()
        return body if is_signed(body) else self.sign(body)

    def resigned(self, old: str, new: str) -> str:
        """Return ``new``, an altered ``old``, with a signature that is as good as the old one.

        An event that was not to be believed must not become one that is. Raises ``UnknownKey`` if
        that cannot be told: an event that was to be believed must stay one, too.
        """
        try:
            self.verify(old)
        except UnknownKey:
            raise
        except SignatureError:
            return new
        return self.sign(_SIGNATURE.sub("}", new))

    def missing_key(self, body: str) -> str | None:
        """Return the id of the key that signed a body, if this process does not have it."""
        found = _SIGNATURE.search(body, max(0, len(body) - _LONGEST))
        return found[1] if found and found[1] not in self._keys else None

    def check(self, body: str) -> None:
        """Verify the signature of a body. Raises ``SignatureError`` where signatures are required.

        Otherwise writes a warning, once a minute for each reason: a roll-out is complete when there
        are no more.
        """
        try:
            self.verify(body)
        except SignatureError as error:
            if self._required:
                raise
            if self._now() - self._warned.get(error.name, -_QUIET) >= _QUIET:
                self._warned[error.name] = self._now()
                log.warning("event.not_authentic", errorType=error.name, reason=str(error))

    def verify(self, body: str) -> None:
        """Raise ``SignatureError`` unless a known key has signed the body."""
        found = _SIGNATURE.search(body, max(0, len(body) - _LONGEST))
        if found is None:
            raise Unsigned("the event has no signature")
        key_id, digest = found.groups()
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownKey("the event is signed with a key that is not in SIGNING_KEYS")
        if not hmac.compare_digest(digest, self._digest(key, body[: found.start()])):
            raise WrongSignature(f"the event is not what key {key_id} signed")

    @staticmethod
    def _digest(key: bytes, start: str) -> str:
        """Return the HMAC of a body, given without its closing brace."""
        return hmac.digest(key, f"{start}}}".encode(errors="surrogatepass"), "sha256").hex()
