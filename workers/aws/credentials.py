"""The one way to the session's credentials. Whatever goes wrong there is an outage.

The SDK resolves and renews credentials in the middle of any call, and raises whatever it met
there: errors of its own, a bare ``RuntimeError`` for credentials that are still expired after a
refresh, a ``KeyError`` for half a document. None of it says anything about the call.
"""

from collections.abc import Callable
from threading import Lock

import boto3
import botocore.session
from botocore.credentials import CredentialResolver, Credentials, ReadOnlyCredentials
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError

from workers.aws.errors import MISCONFIGURED


class GuardedCredentials:
    """Stands in for botocore's ``Credentials`` in a session and in every client of it.

    They are looked for when they are first needed, and again until they are found: a client made
    before the container's credentials were there does not stay without.
    """

    method = "guarded"

    def __init__(self, find: Callable[[], Credentials | None]) -> None:
        self._find = find
        self._found: Credentials | None = None
        self._lock = Lock()

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Give what to sign with, renewed if need be. Any thread may.

        Raises ``CredentialRetrievalError`` for whatever went wrong, but leaves a wrong
        configuration (a profile that does not exist) what it is.
        """
        try:
            return self._credentials().get_frozen_credentials()
        except (CredentialRetrievalError, *MISCONFIGURED):
            raise
        except Exception as error:
            where = getattr(self._found, "method", None) or "the SDK's usual places"
            raise CredentialRetrievalError(provider=where, error_msg=repr(error)) from error

    def get_deferred_property(self, name: str) -> Callable[[], object]:
        """Give a function that reads the account's id or the like, when an endpoint needs it."""
        return lambda: getattr(self.get_frozen_credentials(), name, None)

    def _credentials(self) -> Credentials:
        if self._found is None:
            with self._lock:
                self._found = self._found or self._find()
        if self._found is None:
            raise NoCredentialsError
        return self._found


class _GuardedResolver:
    """What a session asks for its credentials, once."""

    def __init__(self, resolver: CredentialResolver) -> None:
        self._resolver = resolver

    def load_credentials(self) -> GuardedCredentials:
        return GuardedCredentials(self._resolver.load_credentials)


def guarded_session(region: str, core: botocore.session.Session | None = None) -> boto3.Session:
    """Make a session that finds credentials where the SDK does, and guards them.

    Raises what the SDK raises for a wrong configuration.
    """
    core = core or botocore.session.Session()
    session = boto3.Session(region_name=region, botocore_session=core)
    resolver = core.get_component("credential_provider")
    core.register_component("credential_provider", _GuardedResolver(resolver))
    return session
