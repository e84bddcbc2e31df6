"""Refuses endpoints that are not URLs, which the SDK meets with a ``ValueError`` of its own."""

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from workers.runtime.errors import SettingsError

# Of all services, or of one: AWS_ENDPOINT_URL_SQS.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
VARIABLE: Final = "AWS_ENDPOINT_URL"
EXAMPLE: Final = "http://127.0.0.1:4566"


def require_valid_endpoints(environment: Mapping[str, str] | None = None) -> None:
    """Raise ``SettingsError`` naming every ``AWS_ENDPOINT_URL`` that is not a URL."""
    found = os.environ if environment is None else environment
    wrong = [
        f"{name}: {why} (example: {EXAMPLE})"
        for name, value in sorted(found.items())
        if (name == VARIABLE or name.startswith(f"{VARIABLE}_")) and (why := wrong_with(value))
    ]
    if wrong:
        raise SettingsError("; ".join(wrong))


def wrong_with(url: str) -> str:
    """Say what is wrong with an endpoint, or return "". Never quotes a user name or password."""
    shown = "the value" if "@" in url else repr(url)
    if not url:
        return ""  # the SDK treats it as unset
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{shown}: {error}"
    if parts.scheme not in ("http", "https"):
        return f"{shown} does not start with http:// or https://"
    if not parts.hostname or any(letter.isspace() for letter in url):
        return f"{shown} names no host"
    if port == 0:
        return f"{shown} has port 0"
    return ""
