"""Rates, ages and the time to drain, from what SQS, CloudWatch and the workers say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from workers.aws.queue_metrics import QueueMetrics
from workers.ops import overview
from workers.ops.heartbeats import Fleet
from workers.ops.overview import Overview, time_to_drain
from workers.ops.queues import QueueState
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.roster import Heartbeat, Pause
from workers.settings import Settings
from workers.topology import Topology

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DOWN = Unavailable("no answer", dependency="dynamodb")


def a_state(visible=0, in_flight=0, **changes):
    counts = {"visible": visible, "in_flight": in_flight, "delayed": 0, "dead": 0}
    return QueueState("payment", "payment-queue", **(counts | changes))


def a_worker(**changes):
    return Heartbeat("worker-1", **({"at": NOON, "started_at": NOON} | changes))


class World:
    """The sources of an overview: a test sets what each of them says."""

    def __init__(self, patch):
        self.now = NOON
        self.state = a_state()
        self.running, self.silent, self.pause = [], [], None
        self.metrics = QueueMetrics()
        self.asked = 0  # CloudWatch
        self.fleet_error = self.metrics_error = None
        topology = Topology.load()
        one = {"payment": topology.services["payment"]}
        queues = SimpleNamespace(names={"payment": "payment-queue"}, states=lambda: [self.state])
        patch.setattr(overview, "Queues", lambda *_: queues)
        patch.setattr(overview, "fleet", self._fleet)
        patch.setattr(overview, "queue_metrics", self._metrics)
        clients = SimpleNamespace(dynamodb=lambda: None, cloudwatch=lambda: None)
        self.overview = Overview(
            clients, Settings(), topology.model_copy(update={"services": one}), now=lambda: self.now
        )

    def _fleet(self, _dynamodb, table):
        assert table == "payment"
        if self.fleet_error:
            raise self.fleet_error
        return Fleet(self.now, tuple(self.running), tuple(self.silent), self.pause)

    def _metrics(self, _cloudwatch, queues, _now) -> Mapping[str, QueueMetrics]:
        self.asked += 1
        if self.metrics_error:
            raise self.metrics_error
        return dict.fromkeys(queues, self.metrics)

    def look(self, seconds=5, visible=None):
        self.now += timedelta(seconds=seconds)
        if visible is not None:
            self.state = a_state(visible)
        (state,) = self.overview.look().queues
        return state


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_the_rate_out_is_that_of_all_workers(world):
    world.running = [a_worker(rate=2.5), a_worker(rate=1.25)]
    assert (world.look().rate_out, world.look().workers) == (3.75, 2)


def test_ages_and_arrivals_come_from_cloudwatch(world):
    world.running = [a_worker(oldest_sent_at=NOON.timestamp())]
    world.metrics = QueueMetrics(oldest_seconds=93.0, sent_per_second=1.5)
    assert (world.look().oldest_seconds, world.look().rate_in) == (93, 1.5)


def test_without_cloudwatch_the_age_is_that_of_the_oldest_message_in_a_worker(world):
    assert world.look().oldest_seconds is None
    sent_at = NOON.timestamp() - 30
    world.running = [a_worker(oldest_sent_at=sent_at), a_worker(oldest_sent_at=sent_at + 9)]
    assert world.look(seconds=5).oldest_seconds == 30 + 10


def test_arrivals_are_those_that_left_and_those_by_which_the_queue_grew(world):
    world.running = [a_worker(rate=2.0)]
    assert world.look(visible=100).rate_in is None
    assert world.look(visible=120).rate_in == 2 + 20 / 5
    assert world.look(visible=90).rate_in == 2 - 10 / 10
    assert world.look(visible=0).rate_in == 0


def test_arrivals_compare_looks_of_the_last_minute(world):
    world.running = [a_worker(rate=0.0)]
    for _ in range(20):
        state = world.look(visible=1_000)
    assert state.rate_in == 0
    world.look(visible=1_060)
    assert world.look(seconds=55, visible=1_060).rate_in == pytest.approx(0, abs=1.01)


def test_a_silent_worker_is_counted_apart(world):
    world.running, world.silent = [a_worker()], [a_worker(), a_worker()]
    assert (world.look().workers, world.look().silent) == (1, 2)


def test_a_paused_queue_never_drains(world):
    world.running, world.pause = [a_worker(rate=5.0)], Pause("ann", "2026-01-02T12:00:00Z")
    state = world.look(visible=10)
    assert (state.paused.by, state.drain_seconds) == ("ann", None)


def test_without_dynamodb_depths_are_shown_and_a_note_says_what_is_missing(world):
    world.fleet_error = DOWN
    look = world.overview.look()
    (state,) = look.queues
    assert (state.visible, state.workers, state.rate_out, state.drain_seconds) == (0, None, None, 0)
    assert look.notes == ("payment: no heartbeats, no answer",)


def test_without_cloudwatch_a_note_says_so_each_time(world):
    world.metrics_error = FatalError("cloudwatch: AccessDenied")
    for _ in range(2):
        assert world.overview.look().notes == ("no ages and arrivals, cloudwatch: AccessDenied",)


def test_cloudwatch_is_asked_once_a_minute(world):
    for _ in range(24):
        world.look(seconds=5)
    assert world.asked == 2


@pytest.mark.parametrize(
    ("state", "rate_in", "rate_out", "seconds"),
    [
        (a_state(), None, None, 0),
        (a_state(100), 0.0, 10.0, 10),
        (a_state(90, 10), 5.0, 10.0, 20),
        (a_state(100, delayed=20), None, 10.0, 12),
        (a_state(1), 0.0, 3.0, 1),
        (a_state(100), 10.0, 10.0, None),
        (a_state(100), 20.0, 10.0, None),
        (a_state(100), 0.0, 0.0, None),
        (a_state(100), None, None, None),
    ],
)
def test_the_time_to_drain(state, rate_in, rate_out, seconds):
    assert time_to_drain(state, rate_in, rate_out) == seconds
