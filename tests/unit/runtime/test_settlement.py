"""How a delivery ends, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.envelope import EnvelopeError, UnknownType, UnsupportedVersion
from workers.runtime.errors import (
    Conflict,
    InProgress,
    LeaseLost,
    PermanentError,
    TransientError,
    Unavailable,
)
from workers.runtime.ports import Failure
from workers.runtime.settlement import (
    MAX_DELAY,
    MAX_REASON,
    DeadLetter,
    Retry,
    full_jitter,
    is_attempt,
    settlement_for,
)


def ceiling(_low, high):
    return high


def settled(error, *, attempts=1, max_attempts=3, receive_count=1):
    return settlement_for(
        error,
        attempts=attempts,
        max_attempts=max_attempts,
        receive_count=receive_count,
        max_receives=5,
        uniform=ceiling,
    )


OUTAGE = Unavailable("no answer", dependency="sns")
DEAD = DeadLetter


@pytest.mark.parametrize(
    ("error", "attempts", "settlement"),
    [
        # What cannot get better goes at once, however often it was tried.
        (PermanentError("no such thing"), 0, DEAD(Failure("no such thing", "permanent", 0))),
        (PermanentError("no such thing"), 2, DEAD(Failure("no such thing", "permanent", 2))),
        (EnvelopeError("not JSON"), 0, DEAD(Failure("not JSON", "malformed", 0))),
        (UnknownType("order.eaten"), 0, DEAD(Failure("order.eaten", "unknown_type", 0))),
        (UnsupportedVersion("2.0"), 0, DEAD(Failure("2.0", "unsupported_version", 0))),
        # A failed attempt is repeated until there have been enough.
        (TransientError("broken"), 1, Retry(2)),
        (TransientError("broken"), 2, Retry(2)),
        (TransientError("broken"), 3, DEAD(Failure("broken", "transient", 3))),
        (ValueError("a bug"), 2, Retry(2)),
        (ValueError("a bug"), 3, DEAD(Failure("a bug", "ValueError", 3))),
        (TimeoutError(), 3, DEAD(Failure("TimeoutError", "TimeoutError", 3))),
        # After a redrive the attempts go on being counted: a full set again.
        (TransientError("broken"), 4, Retry(2)),
        (TransientError("broken"), 5, Retry(2)),
        (TransientError("broken"), 6, DEAD(Failure("broken", "transient", 6))),
        # A failure that could not be counted is not held against the message.
        (TransientError("broken"), 0, Retry(2)),
        # The handler knows better when to come back.
        (TransientError("later", retry_after=17), 1, Retry(17)),
        (TransientError("later", retry_after=0.5), 1, Retry(0.5)),
        (TransientError("later", retry_after=17), 3, DEAD(Failure("later", "transient", 3))),
        (TransientError("later", retry_after=-1), 1, Retry(0)),
        (TransientError("later", retry_after=10**9), 1, Retry(MAX_DELAY)),
        (Unavailable("busy", dependency="ses", retry_after=30), 1, Retry(30)),
        # Nobody's fault: never an attempt, never a dead letter.
        (OUTAGE, 3, Retry(2)),
        (Conflict("another was faster"), 3, Retry(2)),
        (InProgress("elsewhere"), 3, Retry(2)),
        (LeaseLost("expired"), 3, Retry(2)),
    ],
    ids=lambda value: f"{type(value).__name__}-{value}" if isinstance(value, Exception) else None,
)
def test_an_error_decides_how_its_message_ends(error, attempts, settlement):
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
        (LeaseLost(), False),
    ],
)
def test_only_what_the_message_may_be_to_blame_for_is_an_attempt(error, counts):
    assert is_attempt(error) is counts


@pytest.mark.parametrize(("receives", "delay"), [(1, 2), (2, 4), (3, 8), (9, 512), (10, 900)])
def test_delays_double_with_the_receives_up_to_a_limit(receives, delay):
    assert settled(OUTAGE, receive_count=receives) == Retry(delay)


@given(st.integers(-5, 10**9))
def test_a_delay_is_never_longer_than_allowed(times):
    assert 0 <= full_jitter(times) <= MAX_DELAY


def test_retries_are_spread_over_the_whole_delay():
    assert full_jitter(3, uniform=lambda low, _high: low) == 0


def test_one_attempt_allowed_means_no_second_one():
    assert isinstance(settled(ValueError(), attempts=1, max_attempts=1), DeadLetter)


def test_a_reason_names_no_customer():
    settlement = settled(PermanentError("no mailbox for ada@example.com"))
    assert settlement.failure.reason == "no mailbox for [e-mail]"


def test_a_reason_is_cut():
    settlement = settled(PermanentError("x" * 5_000))
    assert len(settlement.failure.reason) == MAX_REASON


def test_a_huge_error_text_is_dealt_with_at_once():
    """A pattern that tries a long word from each of its letters would take minutes."""
    settlement = settled(PermanentError("x" * 1_000_000 + " ada@example.com"))
    assert len(settlement.failure.reason) == MAX_REASON


def test_the_last_receive_that_sqs_grants_ends_with_a_reason():
    assert isinstance(settled(ValueError("x"), attempts=1, receive_count=4), Retry)
    assert isinstance(settled(ValueError("x"), attempts=1, receive_count=5), DeadLetter)
    assert isinstance(settled(OUTAGE, attempts=0, receive_count=5), Retry)
