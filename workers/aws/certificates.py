"""The certificate authorities that clients trust."""

import os
import ssl
from functools import lru_cache

import certifi
from urllib3.util.ssl_ import create_urllib3_context


def authorities() -> str:
    """Return the file of certificate authorities, from the same variables as the SDK."""
    named = (os.environ.get(name) for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"))
    return next(filter(None, named), certifi.where())


@lru_cache(maxsize=4)
def trusting(authorities: str) -> ssl.SSLContext:
    """Return a context that checks certificates: one for all, because reading the file is slow.

    Raises ``OSError`` if the file cannot be read, ``ssl.SSLError`` if it has no certificates.
    """
    context = create_urllib3_context()
    context.load_verify_locations(authorities)
    return context
