"""The crash matrix of large events, as in test_crash_points.py: any call may be the last one."""

import pytest
from structlog.testing import capture_logs
from support.fakes import FakePayloads, FakeQueue, FakeStore, FakeTopic
from support.harness import VISIBILITY, Harness
from support.power_cuts import Mains, PowerCut
from support.reports import LARGE, Reviewed, Reviews, a_cause, at, decode, stored

from workers.pointer import pointer_in
from workers.runtime.errors import Unavailable
from workers.runtime.payloads import MAX_PAYLOAD_BYTES

MAX_PROCESSES = 10


class World:
    """What outlives a process, with one large event in the queue."""

    def __init__(self):
        self.clock = at(0)
        self.queue = FakeQueue(clock=self.clock, visibility_timeout=VISIBILITY, max_receives=50)
        self.topic, self.store, self.payloads = FakeTopic(), FakeStore(), FakePayloads()
        self.queue.send(stored(self.payloads, a_cause(LARGE)))

    def process(self, mains):
        return Harness(
            Reviews(2),
            queue=mains.wire("queue", self.queue),
            topic=mains.wire("topic", self.topic),
            store=mains.wire("store", self.store),
            payloads=mains.wire("payloads", self.payloads),
            clock=self.clock,
            concurrency=1,
            decode=decode,
        )

    def run(self, mains):
        for _ in range(MAX_PROCESSES):
            try:
                self.process(mains).run_dry(pause=VISIBILITY)
            except PowerCut:
                self.assert_every_reference_leads_somewhere()
                self.clock.advance(VISIBILITY)
            else:
                return
        raise AssertionError("the queue does not get empty")

    def assert_every_reference_leads_somewhere(self):
        committed = [o for record in self.store.records.values() for o in record.outcomes]
        assert all(pointer_in(o.body).key in self.payloads.objects for o in committed)
        assert {event.body for event in self.topic.sent} <= {o.body for o in committed}

    def outcomes(self):
        """The events that a consumer sees without duplicates."""
        bodies = {self.payloads.objects[pointer_in(e.body).key].decode() for e in self.topic.sent}
        found = [decode(body, limit=MAX_PAYLOAD_BYTES) for body in bodies]
        return sorted((each.event_id, each.data) for each in found)


def run(mains):
    world = World()
    with capture_logs():
        world.run(mains)
    return world


def points():
    mains = Mains()
    run(mains)
    return mains.points()


POINTS = [pytest.param(point, id=str(point)) for point in points()]


def assert_same_end(world):
    review = Reviewed(report_id="report-1", text=LARGE)
    world.assert_every_reference_leads_somewhere()
    assert [data for _, data in world.outcomes()] == [review, review]
    assert world.store.documents == {"effect#report-1": {"times": 1}}
    assert len(world.queue) == 0
    assert world.queue.dead_letters == []


@pytest.mark.parametrize("point", POINTS)
def test_a_power_cut_loses_and_doubles_no_large_event(point):
    assert_same_end(run(Mains(point)))


@pytest.mark.parametrize("point", POINTS)
def test_a_failed_call_or_a_lost_reply_loses_and_doubles_no_large_event(point):
    assert_same_end(run(Mains(point, Unavailable("no answer", dependency=point.name))))


def test_the_matrix_reaches_the_bucket():
    assert {point.values[0].name for point in POINTS} >= {"payloads.put", "payloads.get"}
