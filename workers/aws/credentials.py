"""Guards a session's credentials: a failure to get them counts as an outage.

The SDK looks up and refreshes credentials in the middle of any call, and raises whatever went
wrong: its own errors, a bare ``RuntimeError`` for credentials that are still expired after a
refresh, a ``KeyError`` for an incomplete document. None of these is an error of the call.
"""

from collections.abc import Callable
from threading import Lock

import boto3
import botocore.session
from botocore.credentials import CredentialResolver, Credentials, ReadOnlyCredentials
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError

from workers.aws.errors import MISCONFIGURED


class GuardedCredentials:
    """Replaces botocore's ``Credentials`` in a session and in its clients.

    Credentials are looked up on first use, and again until they are found: a client created before
    the container had credentials gets them later.
    """

    method = "guarded"

    def __init__(self, find: Callable[[], Credentials | None]) -> None:
        self._find = find
        self._found: Credentials | None = None
        self._lock = Lock()

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the keys to sign with, refreshed if necessary. Thread-safe.

        Raises ``CredentialRetrievalError`` for every failure but an invalid configuration (a
        profile that does not exist), whose error is raised unchanged.
        """
        try:
            return self._credentials().get_frozen_credentials()
        except (CredentialRetrievalError, *MISCONFIGURED):
            raise
        except Exception as error:
            where = getattr(self._found, "method", None) or "the SDK's usual places"
            raise CredentialRetrievalError(provider=where, error_msg=repr(error)) from error

    def get_deferred_property(self, name: str) -> Callable[[], object]:
        """Return a function that reads a property such as the account ID, for some endpoints."""
        return lambda: getattr(self.get_frozen_credentials(), name, None)

    def _credentials(self) -> Credentials:
        if self._found is None:
            with self._lock:
                self._found = self._found or self._find()
        if self._found is None:
            raise NoCredentialsError
        return self._found


class _GuardedResolver:
    """The resolver that a session asks, once, for its credentials."""

    def __init__(self, resolver: CredentialResolver) -> None:
        self._resolver = resolver

    def load_credentials(self) -> GuardedCredentials:
        return GuardedCredentials(self._resolver.load_credentials)


def guarded_session(region: str, core: botocore.session.Session | None = None) -> boto3.Session:
    """Create a session with the credentials that the SDK finds, guarded.

    Raises the SDK's errors for an invalid configuration.
    """
    core = core or botocore.session.Session()
    session = boto3.Session(region_name=region, botocore_session=core)
    resolver = core.get_component("credential_provider")
    core.register_component("credential_provider", _GuardedResolver(resolver))
    return session
