"""The certificate authorities that clients trust."""

import os
import ssl
from functools import lru_cache

import botocore.session
import certifi
from urllib3.util.ssl_ import create_urllib3_context


def authorities() -> str:
    """Return the file of certificate authorities, chosen as the SDK chooses it.

    The first of ``AWS_CA_BUNDLE``, ``ca_bundle`` in the AWS config file, ``REQUESTS_CA_BUNDLE`` and
    certifi's file. Reads the config file; raises the SDK's errors if it is invalid.
    """
    configured: str | None = botocore.session.Session().get_config_variable("ca_bundle")
    return configured or os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()


@lru_cache(maxsize=4)
def trusting(authorities: str) -> ssl.SSLContext:
    """Return a context that checks certificates: one for all, because reading the file is slow.

    Raises ``OSError`` if the file cannot be read, ``ssl.SSLError`` if it has no certificates.
    """
    context = create_urllib3_context()
    context.load_verify_locations(authorities)
    return context
