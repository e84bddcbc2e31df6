"""Settlements: delete, retry, dead-letter or hand back. Pure decisions, no calls."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from workers.envelope import EnvelopeError
from workers.runtime.errors import (
    Conflict,
    FatalError,
    LeaseLost,
    PermanentError,
    TransientError,
    Unavailable,
)
from workers.runtime.observability.logs import redact
from workers.runtime.ports import MAX_REASON, AttemptLog, Failure

BASE_DELAY: Final = 2.0  # s
LONGEST_BACKOFF: Final = 30.0  # s between attempts to reach a dependency that is down
MAX_DELAY: Final = 900.0  # s
# A message postponed because of the environment comes back after at most this (s) and at least
# half of it. In 14 days, the longest retention of SQS, that uses fewer than 700 of the 1,000
# receives after which SQS would move it to the dead-letter queue.
MAX_POSTPONEMENT: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Delete:
    """Handled: remove the message from the queue."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: hide the message for ``delay`` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Never: move the message to the dead-letter queue with the reason."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class HandBack:
    """Not here: the worker is stopping, and its drain hands the message to another."""


Settlement: TypeAlias = Delete | Retry | DeadLetter | HandBack

# Errors that say nothing about the message: a dependency does not answer or denies access, or
# another transaction changes the same documents.
ENVIRONMENT: Final = (Unavailable, FatalError, Conflict)


def settlement_for(
    error: Exception,
    *,
    attempts: AttemptLog,
    max_attempts: int,
    receive_count: int,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Settlement:
    """Decide how to settle a message whose handling failed.

    ``attempts`` are those on record: this one too, unless one is enough. Delays grow with
    ``receive_count``, which includes deliveries that did not count.
    """
    count = len(attempts.attempts)
    match error:
        case PermanentError() | EnvelopeError():
            return DeadLetter(Failure(text_of(error), error.name, count + 1, attempts.trail()))
        case _ if count >= max_attempts:
            return DeadLetter(Failure(text_of(error), name_of(error), count, attempts.trail()))
        case TransientError(retry_after=float() | int() as delay):
            return Retry(min(MAX_DELAY, max(0.0, delay)))
        case _:
            return Retry(full_jitter(receive_count, uniform=uniform))


def is_attempt(error: Exception) -> bool:
    """Return whether a failure counts against the message's ``max_attempts``.

    Failures of the environment and lost leases say nothing about the message. Permanent errors
    need no counting.
    """
    return not isinstance(error, (*ENVIRONMENT, LeaseLost, PermanentError, EnvelopeError))


def postponement(
    error: Exception,
    receive_count: int,
    *,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Retry:
    """Postpone a message that has waited long enough for the environment.

    The delay is random between half of a ceiling and the ceiling, which doubles with each receive.
    It is never zero, or a long outage would use up the receives that SQS allows.
    """
    ceiling = _ceiling(receive_count, BASE_DELAY, MAX_POSTPONEMENT)
    asked = getattr(error, "retry_after", None) or 0.0
    return Retry(max(uniform(ceiling / 2, ceiling), min(MAX_POSTPONEMENT, asked)))


def full_jitter(
    times: int,
    *,
    base: float = BASE_DELAY,
    cap: float = MAX_DELAY,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Return a random delay (s) below a ceiling that doubles each time.

    "Full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return uniform(0, _ceiling(times, base, cap))


def name_of(error: BaseException) -> str:
    """Return the name of an error: the same one in logs, labels, dead letters and records.

    Our own errors have one. Any other error, a subclass of ``TransientError`` without a name of its
    own too, is called by its class.
    """
    match error:
        case PermanentError() | EnvelopeError():
            return error.name
        case TransientError() if type(error) is TransientError or error.name != "transient":
            return error.name
        case _:
            return type(error).__name__


def text_of(error: BaseException) -> str:
    """Return the text of an error without addresses, cut to ``MAX_REASON``."""
    text = redact(str(error)) or type(error).__name__
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


def _ceiling(times: int, base: float, cap: float) -> float:
    return min(cap, base * 2.0 ** min(max(0, times - 1), 30))
