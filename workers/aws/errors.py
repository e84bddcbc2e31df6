"""Translates SDK errors into the errors of the runtime, by error code.

``SenderFault`` is ignored, because AWS also sets it when it throttles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    InvalidConfigError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from workers.aws.codes import UNKNOWN_CREDENTIALS, kind_of
from workers.runtime.errors import FatalError, PermanentError, Unavailable

SDK_ERRORS: Final = (BotoCoreError, ClientError, ResponseParserError)

MISCONFIGURED: Final = (InvalidConfigError, InvalidRegionError, NoRegionError, ProfileNotFound)
CREDENTIALS: Final = "credentials"  # the dependency that is down when a request cannot be signed

_NO_CREDENTIALS = (CredentialRetrievalError, NoCredentialsError, PartialCredentialsError)


@contextmanager
def translated(dependency: str) -> Iterator[None]:
    """Translate SDK errors raised in the block into errors of ``workers.runtime.errors``."""
    try:
        yield
    except SDK_ERRORS as error:
        raise translate(error, dependency) from error


def translate(error: Exception, dependency: str) -> Exception:
    """Return the runtime's error for one of ``SDK_ERRORS``."""
    match error:
        case ClientError(response=response):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return meaning(code_of(error), str(error), dependency, status=status)
        case ParamValidationError():
            return PermanentError(f"{dependency}: {error}")
        case _ if isinstance(error, MISCONFIGURED):
            return FatalError(f"{dependency}: {error}")
        case _ if isinstance(error, _NO_CREDENTIALS):
            return Unavailable(f"{dependency}: {error}", dependency=CREDENTIALS)
        case _:
            return Unavailable(f"{dependency}: {error}", dependency=dependency)


def meaning(code: str, text: str, dependency: str, *, status: int = 0) -> Exception:
    """Return the runtime's error for an error code and, if known, an HTTP status."""
    text = f"{dependency}: {text}"
    if code in UNKNOWN_CREDENTIALS:
        return Unavailable(text, dependency=CREDENTIALS)
    kind = kind_of(code, status)
    return Unavailable(text, dependency=dependency) if kind is Unavailable else kind(text)


def code_of(error: ClientError) -> str:
    """Return the error code without the namespace that some services prepend."""
    return plain_code(error.response.get("Error", {}).get("Code", ""))


def plain_code(code: str) -> str:
    """Remove the namespace from a code such as ``AWS.SimpleQueueService.NonExistentQueue``."""
    return code.rpartition(".")[2]
