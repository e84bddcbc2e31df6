"""The receive loop is assembled in one place, and each part gets its number."""

from datetime import UTC, datetime

import pytest
from support.fakes import FakeClock, FakeQueue, FakeStore, FakeTopic
from support.harness import Harness, Service

from workers.events import decode
from workers.runtime import assembly
from workers.runtime.assembly import Clock, Config, Ports, assemble
from workers.runtime.handler import Handlers
from workers.runtime.publisher import Publisher
from workers.runtime.receive_loop import STALE_TICK

CONFIG = Config(
    service="payment",
    worker="worker-1",
    version="version-1",
    concurrency=2,
    max_attempts=3,
    max_receives=1_000,
    receive_wait=7,
    receive_linger=0.003,
    protect_after=15,
    handler_timeout=600,
)
PARTS = (
    *("Acks", "Admission", "Breakers", "Consumer", "Isolation", "Leases", "Permits", "Poller"),
    *("Protection", "Publisher", "ReceiveLoop"),
)


class Agent:
    def protect(self, *, enabled, minutes):
        pass


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def made(monkeypatch, clock):
    """The keyword arguments that each part was made with, by the name of its class."""
    seen = {}

    def spy(name):
        original = getattr(assembly, name)

        def make(*args, **options):
            seen[name] = options
            return original(*args, **options)

        return make

    for name in PARTS:
        monkeypatch.setattr(assembly, name, spy(name))
    ports = Ports(FakeQueue(visibility_timeout=45), FakeTopic(), FakeStore(), Agent())
    times = Clock(now=clock, utcnow=clock.now, sleep=clock.advance, rest=lambda *_: None)
    parts = assemble(Handlers(Service()), decode, ports, CONFIG, times)
    parts.loop()
    return seen | {"parts": parts}


def test_outcomes_of_several_handlers_share_requests(made):
    assert isinstance(made["Consumer"]["topic"], Publisher)


def test_the_limits_reach_those_who_decide(made):
    assert made["Consumer"]["max_receives"] == 1_000
    assert made["Consumer"]["max_attempts"] == made["Admission"]["max_attempts"] == 3
    assert made["Admission"]["worker"] == "worker-1"
    assert made["parts"].permits.concurrency == 2


def test_times_reach_those_who_wait(made):
    assert (made["Poller"]["wait"], made["Poller"]["linger"]) == (7, 0.003)
    assert made["ReceiveLoop"]["receive_wait"] == 7
    for part in ("Leases", "Protection", "ReceiveLoop"):
        assert made[part]["handler_timeout"] == 600
    assert made["Protection"]["protect_after"] == 15


def test_leases_last_as_long_as_the_queue_hides_its_messages(made):
    assert made["parts"].leases.visibility_timeout == 45


def test_every_part_that_looks_at_a_clock_gets_the_same(made, clock):
    clocks = {name: made[name]["now"] for name in PARTS if "now" in made.get(name, {})}

    assert set(clocks) == set(PARTS) - {"Admission"}
    assert set(clocks.values()) == {clock}
    assert made["Admission"]["utcnow"]() == clock.now()


def test_a_handler_that_hangs_is_put_on_record(made):
    assert made["Leases"]["on_hung"].__name__ == "hung"


def test_without_an_agent_a_task_is_never_protected():
    ports = Ports(FakeQueue(), FakeTopic(), FakeStore())
    parts = assemble(Handlers(Service()), decode, ports, CONFIG)
    assert parts.protection is None
    assert "protection" not in parts.loop().threads()


def test_real_time_is_the_default():
    before = datetime.now(UTC)
    assert before <= Clock().utcnow() <= datetime.now(UTC)


def test_the_harness_steps_the_parts_of_production():
    worker = Harness()
    worker.send("order-1")
    worker.round()

    labels = {"messaging_operation_name": "receive", "error_type": ""}
    assert worker.sample("client_operation_duration_seconds_count", **labels) == 1
    assert isinstance(worker.consumer._topic, Publisher)  # noqa: SLF001 - what is tested


def test_a_handler_that_outlives_its_timeout_is_a_reason_to_replace_the_process():
    worker = Harness(handler_timeout=100)
    loop = worker.parts.loop()
    worker.send("order-1")
    worker.receive()
    worker.leases.start(worker.next_lease())

    worker.tick(100 + STALE_TICK)
    assert loop.problems() == []
    worker.tick(1)
    assert loop.problems() == ["a handler does not return"]
