"""The relay publishes every committed event at least once, whatever fails."""

from itertools import count, pairwise
from threading import Event as Flag
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from support.builders import an_order, encoded
from support.fakes import FakeClock, FakeLeases, FakeOutbox, FakeStore, FakeTopic
from support.fakes.outbox import UNREADABLE
from support.fakes.store import Waiting

from workers.aws.outbox_rows import shard_of
from workers.envelope import Encoded
from workers.relay import Relay, RelayMetrics
from workers.runtime.errors import Conflict, FatalError, PermanentError, Unavailable

DOWN = Unavailable("timeout", dependency="sns")
LEASE_SECONDS = 15
GRACE = 2.5  # s; the relay leaves younger rows to order-api


class PowerCut(BaseException):
    """The process has died."""


class DownTopic(FakeTopic):
    """Never responds; records the time of each request."""

    def __init__(self, clock):
        super().__init__()
        self.asked = []
        self._clock = clock

    def publish(self, events):
        self.asked.append(self._clock())
        return dict.fromkeys(range(len(events)), DOWN)


class Stepped:
    """A relay without threads: the test runs its loops in turn."""

    def __init__(self, relay):
        self.relay = relay

    def step(self):
        self.relay.step()
        self.sweep()

    def sweep(self):
        for turns in self.relay.shard_loops:
            turns.step()

    def take_over(self, clock):
        """Step until leases that are not renewed have expired, and once more."""
        self.step()
        clock.advance(LEASE_SECONDS)
        self.step()

    def stop(self):
        told = Flag()
        told.set()
        for loop in self.relay.loops().values():
            loop(told)


class Scene:
    """An outbox, a topic and relays on one clock."""

    def __init__(self):
        self.clock = FakeClock()
        self.store = FakeStore(outbox=True, clock=self.clock)
        self.outbox = FakeOutbox(self.store)
        self.leases = self.outbox.leases
        self.topic = FakeTopic()
        self.registries = {}

    def relay(self, owner="relay-1", topic=None, *, ordered=False):
        self.registries[owner] = CollectorRegistry()
        relay = Relay(
            self.outbox,
            self.leases,
            topic or self.topic,
            owner=owner,
            metrics=RelayMetrics(self.registries[owner]),
            now=self.clock.now,
            clock=self.clock,
            uniform=lambda _low, high: high,
            ordered=ordered,
        )
        return Stepped(relay)

    def commit(self, events=1, *, order_id=None):
        """Commit events like an order-api that then fails to publish them; return their ids."""
        ids = []
        for _ in range(events):
            number = len(self.store.records)
            event_id = f"event-{number}"
            order = an_order(order_id=order_id or f"order-{number}")
            event = encoded(order, event_id=event_id, correlation_id=order_id or event_id)
            self.store.commit(self.store.begin(event_id), [event])
            ids.append(event_id)
        return ids

    def commit_due(self, events=1, **options):
        ids = self.commit(events, **options)
        self.clock.advance(GRACE)
        return ids

    def plant(self, event_id, event=None, shard=0):
        self.store.waiting[event_id] = Waiting(event, shard, self.clock.now())

    @property
    def published(self):
        return [event.event_id for event in self.topic.sent]

    def sample(self, name, owner="relay-1", **labels):
        return self.registries[owner].get_sample_value(name, labels)


@pytest.fixture
def scene():
    return Scene()


def test_a_waiting_row_is_published_and_marked(scene):
    ids = scene.commit_due(25)

    scene.relay().step()

    assert sorted(scene.published) == sorted(ids)
    assert not scene.store.waiting
    assert scene.sample("outbox_published_total", result="published") == 25


def test_a_young_row_is_left_to_the_process_that_wrote_it(scene):
    scene.commit()
    relay = scene.relay()

    scene.clock.advance(1.9)
    relay.step()
    assert scene.published == []

    scene.clock.advance(0.2)
    relay.step()
    assert scene.published == ["event-0"]


def test_an_event_of_a_newer_version_is_published_byte_for_byte(scene):
    body = (
        '{"eventId": "event-1", "eventType": "order.split", "eventVersion": "1.7",'
        ' "source": "order-api", "tenant": "t-1", "data": {"giftWrap": true}}'
    )
    scene.plant("event-1", Encoded.read(body))
    scene.clock.advance(GRACE)

    scene.relay().step()

    assert [event.body for event in scene.topic.sent] == [body]
    assert not scene.outbox.stuck


def test_a_crash_between_publish_and_mark_publishes_again_under_the_same_id(scene):
    scene.commit_due()
    scene.outbox.fail_next("mark_published", PowerCut())
    with pytest.raises(PowerCut):
        scene.relay("first").step()

    scene.relay("second").take_over(scene.clock)

    assert scene.published == ["event-0", "event-0"]
    assert scene.outbox.published == ["event-0"]
    assert not scene.store.waiting


@pytest.mark.parametrize("lost_reply", [False, True])
@pytest.mark.parametrize(
    ("port", "call"),
    [
        ("leases", "beat"),
        ("leases", "take"),
        ("outbox", "waiting"),
        ("topic", "publish"),
        ("outbox", "mark_published"),
    ],
)
def test_nothing_is_lost_wherever_the_process_dies(scene, port, call, lost_reply):
    ids = scene.commit_due(12, order_id="one")
    getattr(scene, port).fail_next(call, PowerCut(), lost_reply=lost_reply)
    with pytest.raises(PowerCut):
        scene.relay("first").step()

    scene.relay("second").take_over(scene.clock)

    assert set(scene.published) == set(ids)
    assert not scene.store.waiting


def test_an_index_that_lags_costs_repeats_and_loses_nothing(scene):
    (first,) = scene.commit_due()
    relay = scene.relay()

    with scene.outbox.stale_index():
        relay.step()
        (second,) = scene.commit_due()
        relay.step()
    relay.step()
    relay.step()

    assert scene.published == [first, first, second]
    assert scene.store.waiting == scene.outbox.stuck == {}


def test_another_relay_takes_over_when_the_lease_ends(scene):
    first, second = scene.relay("first"), scene.relay("second")
    first.step()
    scene.commit_due(4)

    second.step()
    scene.clock.advance(14.9)
    second.step()
    assert scene.published == []

    scene.clock.advance(0.1)
    second.step()
    assert len(scene.published) == 4


def test_a_lease_taken_over_in_the_middle_of_a_batch_fences_the_first_one_off(scene):
    [event_id] = scene.commit_due(order_id="one")
    shard = str(scene.store.waiting[event_id].shard)
    second = scene.relay("second")

    class SlowTopic(FakeTopic):
        """Is so slow that another relay gets the lease."""

        def publish(self, events):
            scene.topic.publish(events)
            second.take_over(scene.clock)
            return {}

    first = scene.relay("first", SlowTopic())
    with capture_logs() as logs:
        first.step()

    assert scene.published == ["event-0", "event-0"]
    assert scene.outbox.published == ["event-0"]
    assert [line["event"] for line in logs] == ["outbox.lease_lost"]
    assert scene.sample("outbox_lease_held", "first", shard=shard) == 0
    first.step()
    assert scene.outbox.calls["mark_published"] == 2


def test_publishing_stops_when_the_lease_is_about_to_end(scene):
    scene.commit_due(30, order_id="one")

    class SlowTopic(FakeTopic):
        """Takes 11 of the lease's 15 seconds for each batch."""

        def publish(self, events):
            scene.clock.advance(11)
            return super().publish(events)

    topic = SlowTopic()
    relay = scene.relay("slow", topic)
    relay.step()

    # It renews between batches, so that none starts with less than 5 s left.
    assert topic.calls["publish"] == 3
    assert scene.leases.calls["renew"] >= 2


def test_nothing_is_published_under_a_lease_that_took_too_long_to_get(scene):
    scene.commit_due()

    class SlowLeases(FakeLeases):
        """Takes 10.1 of a lease's 15 seconds to grant it, and to renew it."""

        def take(self, *request):
            lease = super().take(*request)
            scene.clock.advance(10.1)
            return lease

        def renew(self, lease):
            renewed = super().renew(lease)
            scene.clock.advance(10.1)
            return renewed

    scene.leases = scene.outbox.leases = SlowLeases()
    scene.relay().step()

    assert scene.published == []


def test_no_batch_starts_after_a_failed_renewal(scene):
    scene.commit_due(30, order_id="one")
    rival = scene.relay("rival")

    class Preempted(FakeTopic):
        """Lets a rival take the shards while a batch is on its way."""

        def publish(self, events):
            rival.take_over(scene.clock)
            return super().publish(events)

    topic = Preempted()
    scene.relay("first", topic).step()

    assert topic.calls["publish"] == 1
    assert len(scene.published) == 30  # by the rival


def test_a_shard_is_given_up_after_the_current_batch(scene):
    [event_id, *_] = scene.commit_due(30, order_id="one")

    class Asking(FakeTopic):
        """Asks the relay for the shard during a batch."""

        def publish(self, events):
            turns.sweep.leaving = True
            return super().publish(events)

    topic = Asking()
    relay = scene.relay("first", topic)
    turns = relay.relay.shard_loops[scene.store.waiting[event_id].shard]
    relay.step()
    turns.step()

    assert len(topic.sent) == 10
    assert scene.leases.rows[turns.sweep.shard].given_up
    assert not turns.sweep.holds


def test_a_lease_is_renewed_after_a_third_of_its_time(scene):
    relay = scene.relay()
    relay.step()
    scene.clock.advance(4.9)
    relay.step()
    assert scene.leases.calls["renew"] == 0

    scene.clock.advance(0.2)
    relay.step()
    assert scene.leases.calls["renew"] == 4


def test_leases_released_at_the_stop_are_free_at_once(scene):
    first = scene.relay("first")
    first.step()
    scene.commit_due(4)

    first.stop()
    assert scene.leases.beats == {}
    scene.relay("second").step()

    assert len(scene.published) == 4


def test_a_refused_event_is_set_aside_counted_and_logged(scene):
    scene.commit_due(3, order_id="one")
    scene.topic.fail_entries({1: PermanentError("sns: bad attribute")})

    relay = scene.relay()

    with capture_logs() as logs:
        relay.step()
    scene.clock.advance(10)
    relay.step()

    assert scene.published == ["event-0", "event-2"]
    assert scene.outbox.stuck == {"event-1": "sns: bad attribute"}
    assert not scene.store.waiting
    assert scene.sample("outbox_published_total", result="refused") == 1
    assert scene.sample("outbox_stuck") == 1
    [line] = [line for line in logs if line["event"] == "outbox.set_aside"]
    assert (line["eventId"], line["reason"]) == ("event-1", "sns: bad attribute")
    assert (line["orderId"], line["eventType"]) == ("one", "order.created")


def test_an_unreadable_row_is_set_aside_and_its_neighbours_are_published(scene):
    [event_id] = scene.commit(order_id="one")
    shard = scene.store.waiting[event_id].shard
    scene.plant("garbled", shard=shard)
    scene.clock.advance(GRACE)

    scene.relay().step()

    assert scene.published == ["event-0"]
    assert scene.outbox.stuck == {"garbled": UNREADABLE}


def test_an_event_that_fails_for_now_does_not_hold_up_others(scene):
    ids = scene.commit_due(21, order_id="one")
    scene.topic.fail_entries({0: DOWN})
    relay = scene.relay()

    relay.step()
    assert set(scene.published) == set(ids[1:])

    relay.step()
    assert set(scene.published) == set(ids)


def test_the_relay_backs_off_while_the_topic_does_not_respond(scene):
    scene.commit_due(order_id="one")
    topic = DownTopic(scene.clock)
    relay = scene.relay(topic=topic)

    for _ in range(1_500):
        relay.step()
        scene.clock.advance(0.1)

    gaps = [round(after - before) for before, after in pairwise(topic.asked)]
    assert gaps[:8] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert scene.store.waiting


def test_after_an_outage_rows_are_published_and_the_back_off_restarts(scene):
    scene.commit_due(order_id="one")
    relay = scene.relay()
    for _ in range(3):
        scene.topic.fail_entries({0: DOWN})
        relay.step()
        scene.clock.advance(30)

    relay.step()
    assert scene.published == ["event-0"]

    scene.commit_due(order_id="one")
    scene.topic.fail_entries({0: DOWN})
    relay.step()
    scene.clock.advance(1)
    relay.step()
    assert scene.published == ["event-0", "event-1"]


def test_an_outage_of_one_shard_does_not_stop_the_others(scene):
    scene.commit_due(40)
    scene.outbox.fail_next("waiting", Unavailable("timeout", dependency="dynamodb"))
    relay = scene.relay()

    with capture_logs() as logs:
        relay.step()

    assert 0 < len(scene.published) < 40
    assert [line["event"] for line in logs] == ["outbox.unavailable"]
    scene.clock.advance(1)
    relay.step()
    assert len(scene.published) == 40


def test_a_conflict_with_order_api_is_retried_at_once(scene):
    scene.commit_due()
    scene.outbox.fail_next("mark_published", Conflict("being marked"), times=3)

    scene.relay().step()

    assert scene.published == ["event-0"]
    assert not scene.store.waiting


def test_a_conflict_that_lasts_is_left_to_the_next_sweep(scene):
    scene.commit_due()
    scene.outbox.fail_next("mark_published", Conflict("being marked"), times=8)
    relay = scene.relay()

    relay.step()
    relay.step()

    assert scene.published == ["event-0", "event-0"]
    assert not scene.store.waiting


@pytest.mark.parametrize("error", [FatalError("no such table"), RuntimeError("a bug")])
def test_an_error_that_waiting_cannot_fix_ends_the_thread_and_frees_its_shard(scene, error):
    relay = scene.relay()
    relay.step()
    turns = relay.relay.shard_loops[0]
    scene.outbox.fail_next("waiting", error)

    with pytest.raises(type(error)):
        turns.run(Flag())

    assert scene.leases.rows[0].given_up


def test_an_idle_relay_polls_less_often_and_a_busy_one_without_a_pause(scene):
    relay = scene.relay()
    relay.relay.step()
    [event_id] = scene.commit(order_id="one")
    turns = relay.relay.shard_loops[scene.store.waiting.pop(event_id).shard]

    pauses = [turns.step() for _ in range(7)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]

    scene.commit_due(order_id="one")
    assert turns.step() == 0.5

    scene.commit_due(150, order_id="one")
    assert turns.step() == 0.0
    assert turns.step() == 0.5
    assert not scene.store.waiting


def test_a_relay_without_a_shard_does_not_query_the_table(scene):
    scene.relay("first").step()
    idle = scene.relay("second").relay
    asked = scene.outbox.calls["waiting"]

    assert [turns.step() for turns in idle.shard_loops] == [0.5] * 4
    assert scene.outbox.calls["waiting"] == asked


def test_a_stopped_relay_ends(scene):
    stopping = Flag()
    loops = scene.relay().relay.loops().values()
    threads = [Thread(target=loop, args=[stopping]) for loop in loops]
    for thread in threads:
        thread.start()

    stopping.set()
    for thread in threads:
        thread.join(5)

    assert not any(thread.is_alive() for thread in threads)
    assert all(held is None or held.given_up for held in scene.leases.rows.values())


def test_a_shard_leased_while_its_thread_ends_is_released(scene):
    relay, told = scene.relay().relay, Flag()
    told.set()
    for turns in relay.shard_loops:
        turns.run(told)
    relay.step()
    assert not any(held.given_up for held in scene.leases.rows.values())

    relay.run(told)

    assert all(held.given_up for held in scene.leases.rows.values())


def test_every_relay_reports_the_oldest_row_and_who_holds_the_lease(scene):
    down = DownTopic(scene.clock)
    holder, other = scene.relay("holder", down), scene.relay("other", down)
    holder.step()
    [event_id] = scene.commit()
    shard = str(scene.store.waiting[event_id].shard)
    scene.clock.advance(12)

    holder.step()
    other.step()

    for owner in ("holder", "other"):
        assert scene.sample("outbox_oldest_seconds", owner, shard=shard) == 12
    assert scene.sample("outbox_lease_held", "holder", shard=shard) == 1
    assert scene.sample("outbox_lease_held", "other", shard=shard) == 0


ACTIONS = st.one_of(
    st.tuples(st.just("commit"), st.integers(1, 15)),
    st.tuples(st.just("step"), st.integers(0, 2)),
    st.tuples(st.just("pass"), st.integers(1, 20)),
    st.tuples(st.just("keep waiting"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["publish", "mark_published", "waiting"]), st.booleans()),
    st.tuples(st.sampled_from(["beat", "look", "take", "renew"]), st.booleans()),
)


@given(actions=st.lists(ACTIONS, max_size=40))
@settings(max_examples=100, deadline=None)
def test_three_relays_that_are_killed_at_any_moment_lose_nothing(actions):
    scene, names = Scene(), count()
    relays = [scene.relay(f"relay-{next(names)}") for _ in range(3)]

    def step(number):
        try:
            relays[number].step()
        except PowerCut:
            relays[number] = scene.relay(f"relay-{next(names)}")

    for action, value in actions:
        match action:
            case "commit":
                scene.commit(value)
            case "step":
                step(value)
            case "pass":
                scene.clock.advance(value)
            case "keep waiting":
                scene.topic.fail_entries({value: DOWN})
            case call:
                (port,) = (p for p in (scene.topic, scene.outbox, scene.leases) if hasattr(p, call))
                port.fail_next(call, PowerCut(), lost_reply=value)
    for _ in range(3 * len(actions) + 6):
        scene.clock.advance(31)
        step(0)

    committed = {f"event-{number}" for number in range(len(scene.store.records))}
    assert not scene.store.waiting
    assert set(scene.published) == set(scene.outbox.published) == committed


def test_a_topic_that_does_not_answer_is_named_until_it_does(scene):
    class Topic(FakeTopic):
        down = True

        def publish(self, events):
            return dict.fromkeys(range(len(events)), DOWN) if self.down else super().publish(events)

    topic = Topic()
    relay = scene.relay(topic=topic)
    scene.commit_due(order_id="one")
    for _ in range(3):
        relay.step()
        scene.clock.advance(60)
    assert scene.sample("dependency_failing", dependency="sns") == 1
    assert scene.sample("dependency_failing", dependency="dynamodb") == 0

    topic.down = False
    relay.take_over(scene.clock)

    assert scene.sample("dependency_failing", dependency="sns") == 0


def test_a_table_that_does_not_answer_is_named_until_it_does(scene):
    relay = scene.relay()
    for _ in range(3):
        scene.leases.fail_next("beat", Unavailable("timeout", dependency="dynamodb"))
        relay.relay.step()
    assert scene.sample("dependency_failing", dependency="dynamodb") == 1

    relay.relay.step()

    assert scene.sample("dependency_failing", dependency="dynamodb") == 0


def test_all_events_of_an_order_are_in_one_shard_whatever_caused_them():
    """A cancellation has a correlation id of its own; two relays would publish it in any order."""
    events = [
        encoded(an_order(order_id="order-1"), event_id=f"event-{n}", correlation_id=f"event-{n}")
        for n in range(20)
    ]

    assert len({shard_of(event) for event in events}) == 1
    stored = [Encoded.read(event.body) for event in events]
    assert {shard_of(event) for event in stored} == {shard_of(events[0])}


@pytest.mark.parametrize(("ordered", "published"), [(True, 9), (False, 13)])
def test_on_a_topic_that_keeps_order_nothing_is_published_behind_an_event_that_waits(
    scene, ordered, published
):
    relay = scene.relay(ordered=ordered)
    relay.step()
    scene.commit_due(14, order_id="order-1")
    scene.topic.fail_entries({0: DOWN})

    relay.sweep()
    assert len(scene.published) == published

    scene.clock.advance(GRACE)
    relay.sweep()
    assert len(set(scene.published)) == 14
