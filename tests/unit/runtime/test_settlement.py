"""Settlements of every kind of failure, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.envelope import EnvelopeError, UnknownType, UnsupportedVersion
from workers.runtime.errors import (
    Conflict,
    FatalError,
    InProgress,
    LeaseLost,
    PermanentError,
    TransientError,
    Unavailable,
)
from workers.runtime.ports import Attempt, AttemptLog, Failure
from workers.runtime.settlement import (
    MAX_DELAY,
    MAX_POSTPONEMENT,
    MAX_REASON,
    DeadLetter,
    Retry,
    full_jitter,
    is_attempt,
    postponement,
    settlement_for,
)
from workers.topology import MAX_RECEIVE_COUNT
from workers.topology_rules import MAX_RETENTION


def ceiling(_low, high):
    return high


def on_record(count):
    return AttemptLog(tuple(Attempt(n, "today", "worker-1", "x") for n in range(1, count + 1)))


def settled(error, *, attempts=1, max_attempts=3, receive_count=1):
    return settlement_for(
        error,
        attempts=on_record(attempts),
        max_attempts=max_attempts,
        receive_count=receive_count,
        uniform=ceiling,
    )


def dead(reason, kind, attempts):
    """A failure that was counted: this attempt is on record."""
    return DeadLetter(Failure(reason, kind, attempts, on_record(attempts).trail()))


def dead_uncounted(reason, kind, earlier):
    """A failure that one attempt is enough for: it adds to those on record."""
    return DeadLetter(Failure(reason, kind, earlier + 1, on_record(earlier).trail()))


OUTAGE = Unavailable("no answer", dependency="sns")


@pytest.mark.parametrize(
    ("error", "attempts", "settlement"),
    [
        # A permanent error is dead-lettered at once, whatever the number of attempts.
        (PermanentError("no such thing"), 0, dead_uncounted("no such thing", "permanent", 0)),
        (PermanentError("no such thing"), 2, dead_uncounted("no such thing", "permanent", 2)),
        (EnvelopeError("not JSON"), 0, dead_uncounted("not JSON", "malformed", 0)),
        (UnknownType("order.eaten"), 0, dead_uncounted("order.eaten", "unknown_type", 0)),
        (UnsupportedVersion("2.0"), 0, dead_uncounted("2.0", "unsupported_version", 0)),
        # A failed attempt is retried up to the limit.
        (TransientError("broken"), 1, Retry(2)),
        (TransientError("broken"), 2, Retry(2)),
        (TransientError("broken"), 3, dead("broken", "transient", 3)),
        (ValueError("a bug"), 2, Retry(2)),
        (ValueError("a bug"), 3, dead("a bug", "ValueError", 3)),
        (TimeoutError(), 3, dead("TimeoutError", "TimeoutError", 3)),
        (TransientError("broken"), 4, dead("broken", "transient", 4)),
        # A failure that could not be counted does not count against the message.
        (TransientError("broken"), 0, Retry(2)),
        # The handler may set the delay.
        (TransientError("later", retry_after=17), 1, Retry(17)),
        (TransientError("later", retry_after=0.5), 1, Retry(0.5)),
        (TransientError("later", retry_after=17), 3, dead("later", "transient", 3)),
        (TransientError("later", retry_after=-1), 1, Retry(0)),
        (TransientError("later", retry_after=10**9), 1, Retry(MAX_DELAY)),
        # The message is not at fault: never a dead letter.
        (LeaseLost("expired"), 0, Retry(2)),
    ],
    ids=lambda value: f"{type(value).__name__}-{value}" if isinstance(value, Exception) else None,
)
def test_the_error_decides_the_settlement(error, attempts, settlement):
    assert settled(error, attempts=attempts) == settlement


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (ValueError(), True),
        (TransientError(), True),
        (PermanentError(), False),
        (EnvelopeError(), False),
        (OUTAGE, False),
        (Conflict(), False),
        (InProgress(), False),
        (FatalError(), False),
        (LeaseLost(), False),
    ],
)
def test_only_failures_the_message_may_cause_count_as_attempts(error, counts):
    assert is_attempt(error) is counts


@pytest.mark.parametrize(("receives", "delay"), [(1, 2), (2, 4), (3, 8), (9, 512), (10, 900)])
def test_delays_double_with_the_receives_up_to_a_limit(receives, delay):
    assert settled(ValueError(), receive_count=receives) == Retry(delay)


@given(st.integers(-5, 10**9))
def test_a_delay_is_never_longer_than_allowed(times):
    assert 0 <= full_jitter(times) <= MAX_DELAY


def test_retries_are_spread_over_the_whole_range():
    assert full_jitter(3, uniform=lambda low, _high: low) == 0


def test_with_one_attempt_allowed_there_is_no_second():
    assert isinstance(settled(ValueError(), attempts=1, max_attempts=1), DeadLetter)


def test_a_reason_contains_no_customer_address():
    settlement = settled(PermanentError("no mailbox for ada@example.com"))
    assert settlement.failure.reason == "no mailbox for [e-mail]"


def test_a_long_reason_is_cut():
    settlement = settled(PermanentError("x" * 5_000))
    assert len(settlement.failure.reason) == MAX_REASON


def test_a_huge_error_text_is_redacted_quickly():
    """A regular expression that backtracks at each letter would take minutes."""
    settlement = settled(PermanentError("x" * 1_000_000 + " ada@example.com"))
    assert len(settlement.failure.reason) == MAX_REASON


# Failures of the environment.


@pytest.mark.parametrize(
    ("receives", "least", "most"), [(1, 1, 2), (2, 2, 4), (9, 256, 512), (99, 1_800, 3_600)]
)
def test_a_postponement_is_at_least_half_of_its_ceiling(receives, least, most):
    assert postponement(OUTAGE, receives, uniform=lambda low, _high: low) == Retry(least)
    assert postponement(OUTAGE, receives, uniform=ceiling) == Retry(most)


def test_a_dependency_may_ask_for_a_longer_postponement():
    busy = Unavailable("busy", dependency="ses", retry_after=77)
    assert postponement(busy, 1) == Retry(77)
    for_ever = Unavailable("busy", dependency="ses", retry_after=10**9)
    assert postponement(for_ever, 1) == Retry(MAX_POSTPONEMENT)


def test_postponements_never_use_up_the_receives_that_sqs_grants():
    """Over the longest retention of SQS, with room for deploys and lost replies."""
    seconds, receives = 0.0, 1
    while seconds < MAX_RETENTION:
        seconds += postponement(OUTAGE, receives, uniform=lambda low, _high: low).delay
        receives += 1
    assert receives < 700 < MAX_RECEIVE_COUNT
