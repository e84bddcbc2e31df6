"""What the receive loop is made of."""

import pytest
from support.fakes import FakeQueue, FakeStore, FakeTopic
from support.harness import Service

from workers.events import decode
from workers.runtime import wiring
from workers.runtime.handler import Handlers
from workers.runtime.observability.health import Health
from workers.runtime.publisher import Publisher


@pytest.fixture
def made(monkeypatch):
    """The arguments with which each part was made, by the name of its class."""
    seen = {}

    def spy(name):
        original = getattr(wiring, name)

        def make(*args, **options):
            seen[name] = options
            return original(*args, **options)

        return make

    for name in ("Admission", "Consumer", "Leases", "Poller", "ReceiveLoop"):
        monkeypatch.setattr(wiring, name, spy(name))
    seen["loop"] = wiring.receive_loop(
        "payment",
        queue=FakeQueue(),
        topic=FakeTopic(),
        store=FakeStore(),
        handlers=Handlers(Service()),
        decode=decode,
        visibility_timeout=60,
        concurrency=2,
        max_attempts=3,
        max_receives=1_000,
        receive_wait=7,
        receive_linger=0.003,
        protect_after=15,
        agent=None,
        health=Health(),
        worker="worker-1",
    )
    return seen


def test_outcomes_of_several_handlers_share_requests(made):
    assert isinstance(made["Consumer"]["topic"], Publisher)


def test_the_limits_reach_those_who_decide(made):
    assert made["Consumer"]["max_receives"] == 1_000
    assert made["Consumer"]["max_attempts"] == made["Admission"]["max_attempts"] == 3
    assert made["Admission"]["worker"] == "worker-1"


def test_times_reach_those_who_wait(made):
    assert (made["Poller"]["wait"], made["Poller"]["linger"]) == (7, 0.003)
    assert made["ReceiveLoop"]["receive_wait"] == 7
    assert made["Leases"]["visibility_timeout"] == 60


def test_a_handler_that_hangs_is_put_on_record(made):
    assert made["Leases"]["on_hung"].__name__ == "hung"
