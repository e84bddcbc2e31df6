"""Refuses wrong endpoints.

The SDK meets one that is not a URL with a ``ValueError`` of its own. The wire sends no paths.
"""

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
        # The error quotes the port, which may be the beginning of a password with a slash.
        return f"{shown} is not a URL" if "@" in url else f"{shown}: {error}"
    if parts.scheme not in ("http", "https"):
        return f"{shown} does not start with http:// or https://"
    if not parts.hostname or any(letter.isspace() for letter in url):
        return f"{shown} names no host"
    if port == 0:
        return f"{shown} has port 0"
    return ""


def origin_of(url: str, service: str) -> str:
    """Return scheme, host and port of an endpoint, for the wire.

    Raises ``SettingsError``, naming the variable, for an endpoint with a path or a query.
    """
    parts = urlsplit(url)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        own = f"{VARIABLE}_{service.upper()}"
        shown = "the value" if "@" in url else repr(url)
        raise SettingsError(
            f"{own if os.environ.get(own) else VARIABLE}: {shown} has a path or a query, which the "
            "wire cannot send; AWS_TRANSPORT=boto3 can"
        )
    return f"{parts.scheme}://{parts.netloc}"
