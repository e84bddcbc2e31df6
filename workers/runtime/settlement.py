"""How a delivery ends: in exactly one of three ways, decided by one pure function."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from workers.envelope import EnvelopeError
from workers.runtime.errors import Conflict, LeaseLost, PermanentError, TransientError, Unavailable
from workers.runtime.logs import redact
from workers.runtime.ports import Failure

BASE_DELAY: Final = 2.0  # s
MAX_DELAY: Final = 900.0  # s
MAX_REASON: Final = 1_000  # characters; keeps a dead letter readable and below SQS's limits


@dataclass(frozen=True, slots=True)
class Delete:
    """Handled: remove the message from the queue."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: hide the message for ``delay`` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Not ever: move the message to the dead-letter queue with the reason."""

    failure: Failure


Settlement: TypeAlias = Delete | Retry | DeadLetter


def is_attempt(error: Exception) -> bool:
    """Tell whether a failure counts against the message's ``max_attempts``.

    A conflict, an outage or a lost lease says nothing about the message.
    """
    return not isinstance(error, (Conflict, Unavailable, LeaseLost, PermanentError, EnvelopeError))


def settlement_for(
    error: Exception,
    *,
    attempts: int,
    max_attempts: int,
    receive_count: int,
    max_receives: int,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Settlement:
    """Decide what a failure means for its message.

    ``attempts`` counts the failed attempts so far, this one included. Each multiple of
    ``max_attempts`` ends in the dead-letter queue, so a redriven message gets a full set of
    attempts again. So does the last receive that SQS grants, for SQS itself would give no
    reason. Delays grow with ``receive_count``, which also counts what was no attempt.
    """
    match error:
        case PermanentError() | EnvelopeError():
            return DeadLetter(Failure(_text(error), error.name, attempts))
        case _ if is_attempt(error) and (
            _is_multiple(attempts, max_attempts) or receive_count >= max_receives
        ):
            return DeadLetter(Failure(_text(error), _name(error), attempts))
        case TransientError(retry_after=float() | int() as delay):
            return Retry(min(MAX_DELAY, max(0.0, delay)))
        case _:
            return Retry(full_jitter(receive_count, uniform=uniform))


def _is_multiple(attempts: int, max_attempts: int) -> bool:
    return attempts > 0 and attempts % max_attempts == 0


def full_jitter(
    times: int,
    *,
    base: float = BASE_DELAY,
    cap: float = MAX_DELAY,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Spread retries evenly below a ceiling that doubles each time (s).

    "Full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return uniform(0, min(cap, base * 2.0 ** min(max(0, times - 1), 30)))


def _name(error: Exception) -> str:
    return error.name if type(error) is TransientError else type(error).__name__


def _text(error: Exception) -> str:
    text = redact(str(error)) or type(error).__name__
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"
