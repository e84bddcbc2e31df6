"""What an error of the SDK means to the runtime, decided by its code.

``SenderFault`` is never looked at: AWS sets it on throttling too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    InvalidConfigError,
    InvalidRegionError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from workers.aws.codes import kind_of
from workers.runtime.errors import FatalError, PermanentError, Unavailable

SDK_ERRORS: Final = (BotoCoreError, ClientError, ResponseParserError)

_MISCONFIGURED = (InvalidConfigError, InvalidRegionError, NoRegionError, ProfileNotFound)


@contextmanager
def translated(dependency: str) -> Iterator[None]:
    """Turn what the SDK raises inside the block into an error of ``workers.runtime.errors``."""
    try:
        yield
    except SDK_ERRORS as error:
        raise translate(error, dependency) from error


def translate(error: Exception, dependency: str) -> Exception:
    """Give the runtime's error for one of ``SDK_ERRORS``."""
    match error:
        case ClientError(response=response):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return meaning(code_of(error), str(error), dependency, status=status)
        case ParamValidationError():
            return PermanentError(f"{dependency}: {error}")
        case _ if isinstance(error, _MISCONFIGURED):
            return FatalError(f"{dependency}: {error}")
        case _:
            return Unavailable(f"{dependency}: {error}", dependency=dependency)


def meaning(code: str, text: str, dependency: str, *, status: int = 0) -> Exception:
    """Give the runtime's error for an error code and, where there is one, an HTTP status."""
    text = f"{dependency}: {text}"
    kind = kind_of(code, status)
    return Unavailable(text, dependency=dependency) if kind is Unavailable else kind(text)


def code_of(error: ClientError) -> str:
    """Read the error code, without the name space some services put in front of it."""
    return plain_code(error.response.get("Error", {}).get("Code", ""))


def plain_code(code: str) -> str:
    """Strip the name space off ``AWS.SimpleQueueService.NonExistentQueue`` and its like."""
    return code.rpartition(".")[2]
