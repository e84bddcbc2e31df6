"""An attempt that cannot be taken off the record ends no thread, and costs the others nothing."""

from datetime import UTC, datetime

import pytest
from builders import a_message
from fakes import FakeStore

from workers.runtime.admission import Admission
from workers.runtime.errors import Conflict, FatalError, PermanentError, Unavailable
from workers.runtime.leases import Lease
from workers.runtime.ports import Attempt

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
        None,  # nothing is admitted here
        max_attempts=3,
        worker="worker-1",
        utcnow=lambda: datetime.now(UTC),
    )


def lease(number):
    return Lease(a_message(id=f"message-{number}", receive_count=2), "handle", 0.0, 60.0)


def recorded(store, *leases):
    """Put the start of a suspect on record for each."""
    for each in leases:
        attempt = Attempt(receive_count=2, at="", worker="worker-1", error="")
        store.record_attempt(each.message.id, attempt, returned=False)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_one_that_fails_at_the_stop_leaves_the_others_excused(admission, store, error):
    first, second = lease(1), lease(2)
    recorded(store, first, second)
    store.fail_next("excuse_attempt", error)
    admission.excuse_all([first, second]).join()
    assert len(store.attempts("message-1").attempts) == 1
    assert len(store.attempts("message-2").attempts) == 0


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_one_that_fails_after_the_handler_is_not_raised(admission, store, error):
    only = lease(1)
    store.fail_next("excuse_attempt", error)
    admission.excuse(only, returned=True)
    assert store.calls["excuse_attempt"] == 1
