"""A failed excuse ends no thread and does not affect other messages."""

from datetime import UTC, datetime

import pytest
from support.builders import a_message
from support.fakes import FakeStore

from workers.events import peek
from workers.runtime.admission import Admission
from workers.runtime.errors import Conflict, FatalError, PermanentError, Unavailable
from workers.runtime.failures import Failures
from workers.runtime.isolation import Isolation
from workers.runtime.lease import Lease
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits

ERRORS = (
    Conflict("dynamodb: a transaction is ongoing for the item"),
    FatalError("dynamodb: access denied"),
    PermanentError("dynamodb: no"),
    Unavailable("dynamodb: no answer", dependency="dynamodb"),
)


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def admission(store):
    return Admission(
        store,
        Isolation(Permits(10)),
        Failures(
            store,
            look=peek,
            worker="worker-1",
            version="version-1",
            telemetry=Telemetry("payment-queue"),
            utcnow=lambda: datetime.now(UTC),
        ),
        max_attempts=3,
        worker="worker-1",
        utcnow=lambda: datetime.now(UTC),
    )


def lease(number):
    return Lease(a_message(id=f"message-{number}", receive_count=2), "handle", 0.0, 60.0)


def recorded(admission, *leases):
    """Record the start of a suspect for each lease."""
    for each in leases:
        with admission.admitted(each):
            pass


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_excuse_that_fails_at_the_stop_is_retried_and_does_not_affect_the_others(
    admission, store, error
):
    first, second = lease(1), lease(2)
    recorded(admission, first, second)
    store.fail_next("excuse_attempt", error)
    admission.excuse_all([first, second]).join()
    assert store.calls["excuse_attempt"] == 3
    assert store.attempts("message-1").attempts == store.attempts("message-2").attempts == ()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_excuse_that_fails_after_the_handler_raises_nothing(admission, store, error):
    only = lease(1)
    store.fail_next("excuse_attempt", error)
    admission.excuse(only, ended=True)
    assert store.calls["excuse_attempt"] == 1


def test_a_failed_excuse_is_repeated_later_without_its_lease(admission, store):
    only = lease(1)
    recorded(admission, only)
    store.fail_next("excuse_attempt", ERRORS[-1], times=2)
    admission.excuse(only, ended=False)
    admission.excuse_again()
    assert len(store.attempts("message-1").attempts) == 1
    admission.excuse_again()
    assert store.attempts("message-1").attempts == ()
    admission.excuse_again()
    assert store.calls["excuse_attempt"] == 3


def test_an_attempt_that_counts_after_all_is_not_excused_later(admission, store):
    only = lease(1)
    recorded(admission, only)
    store.fail_next("excuse_attempt", ERRORS[-1])
    admission.excuse(only, ended=False)
    admission.failed(only, ValueError("a bug"))
    admission.excuse_again()
    assert [a.error for a in store.attempts("message-1").attempts] == ["ValueError: a bug"]


def test_recorded_starts_are_excused_first_because_they_count(admission, store):
    suspect, first = lease(1), Lease(a_message(id="message-2"), "handle", 0.0, 60.0)
    recorded(admission, suspect)
    order = []
    excuse = store.excuse_attempt
    store.excuse_attempt = lambda message_id, *rest, **named: (
        order.append(message_id),
        excuse(message_id, *rest, **named),
    )
    admission.excuse_all([first, suspect]).join()
    assert order == ["message-1", "message-2"]
