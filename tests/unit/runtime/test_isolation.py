"""A suspect runs alone; all other messages run together."""

from threading import Thread

import pytest
from support.builders import a_message
from support.eventually import eventually
from support.fakes import FakeClock
from support.harness import Harness

from workers.runtime.isolation import LIMIT, Isolation
from workers.runtime.lease import Lease
from workers.runtime.permits import Permits

LEASES = Harness().leases


def a_lease(number):
    return Lease(a_message(id=f"message-{number}"), "handle", 0.0, 60.0)


class Handlers:
    """Handler threads that enter, and stay until they are told to leave."""

    def __init__(self):
        self.clock = FakeClock()
        self.permits = Permits(10)
        self.isolation = Isolation(self.permits, now=self.clock)
        self.inside = []
        self.refused = []

    def start(self, lease, *, alone=False):
        enter = self.isolation.enter_alone if alone else self.isolation.enter
        thread = Thread(
            target=lambda: (self.inside if enter(lease) else self.refused).append(lease),
            daemon=True,
        )
        thread.start()
        thread.join(0.05)
        return lease

    def leave(self, lease):
        self.inside.remove(lease)
        self.isolation.leave(lease)


@pytest.fixture
def handlers():
    return Handlers()


def test_most_messages_run_together(handlers):
    leases = [handlers.start(a_lease(n)) for n in range(3)]
    assert handlers.inside == leases
    assert not handlers.permits.paused


def test_a_suspect_waits_until_the_others_have_returned(handlers):
    first, second = handlers.start(a_lease(1)), handlers.start(a_lease(2))
    suspect = handlers.start(a_lease(3), alone=True)
    assert handlers.permits.paused == {"suspect"}
    handlers.leave(first)
    assert suspect not in handlers.inside
    handlers.leave(second)
    eventually(lambda: handlers.inside == [suspect])


def test_no_other_handler_starts_while_a_suspect_waits_or_runs(handlers):
    first = handlers.start(a_lease(1))
    suspect = handlers.start(a_lease(2), alone=True)
    late = handlers.start(a_lease(3))
    assert handlers.inside == [first]
    handlers.leave(first)
    eventually(lambda: handlers.inside == [suspect])
    handlers.leave(suspect)
    eventually(lambda: handlers.inside == [late])
    assert not handlers.permits.paused


def test_two_suspects_take_turns(handlers):
    first, second = (handlers.start(a_lease(n), alone=True) for n in range(2))
    assert handlers.inside == [first]
    handlers.leave(first)
    eventually(lambda: handlers.inside == [second])
    assert handlers.permits.paused == {"suspect"}
    handlers.leave(second)
    assert not handlers.permits.paused


def test_a_hung_handler_that_lost_its_lease_blocks_no_suspect(handlers):
    hung = handlers.start(a_lease(1))
    suspect = handlers.start(a_lease(2), alone=True)
    LEASES.lose(hung, "handler_timeout")
    eventually(lambda: handlers.inside == [hung, suspect])


def test_a_hung_suspect_blocks_other_handlers_only_for_a_while(handlers):
    suspect = handlers.start(a_lease(1), alone=True)
    handlers.clock.advance(LIMIT)
    other = handlers.start(a_lease(2))
    eventually(lambda: handlers.inside == [suspect, other])


def test_a_hung_suspect_pauses_polling_only_for_a_while(handlers):
    """The lease thread calls ``relax`` at every tick."""
    suspect = handlers.start(a_lease(1), alone=True)
    handlers.isolation.relax()
    assert handlers.permits.paused == {"suspect"}
    handlers.clock.advance(LIMIT)
    handlers.isolation.relax()
    assert not handlers.permits.paused
    handlers.leave(suspect)


def test_polling_resumes_once_a_hung_suspect_has_lost_its_lease(handlers):
    suspect = handlers.start(a_lease(1), alone=True)
    LEASES.lose(suspect, "handler_timeout")
    handlers.isolation.relax()
    assert not handlers.permits.paused


def test_a_suspect_that_waits_too_long_gives_up_its_turn_and_lets_others_run(handlers):
    slow = handlers.start(a_lease(1))
    suspect = handlers.start(a_lease(2), alone=True)
    other = handlers.start(a_lease(3))
    handlers.clock.advance(LIMIT)
    eventually(lambda: handlers.refused == [suspect])
    eventually(lambda: handlers.inside == [slow, other])
    assert not handlers.permits.paused


def test_no_other_suspect_runs_while_a_hung_suspect_holds_its_lease(handlers):
    suspect = handlers.start(a_lease(1), alone=True)
    handlers.clock.advance(10 * LIMIT)
    other = handlers.start(a_lease(2), alone=True)
    assert handlers.inside == [suspect]
    LEASES.lose(suspect, "handler_timeout")
    eventually(lambda: handlers.inside == [suspect, other])


def test_a_stop_turns_away_waiting_messages(handlers):
    running = handlers.start(a_lease(1), alone=True)
    suspect = handlers.start(a_lease(2), alone=True)
    other = handlers.start(a_lease(3))
    handlers.isolation.stop()
    eventually(lambda: set(handlers.refused) == {suspect, other})
    assert handlers.inside == [running]


def test_a_message_lost_while_it_waits_is_not_handled(handlers):
    handlers.start(a_lease(1), alone=True)
    other = handlers.start(a_lease(2))
    LEASES.lose(other, "expired")
    eventually(lambda: handlers.refused == [other])


def test_leaving_twice_has_no_effect(handlers):
    lease = handlers.start(a_lease(1), alone=True)
    handlers.isolation.leave(lease)
    handlers.isolation.leave(lease)
    assert not handlers.permits.paused
