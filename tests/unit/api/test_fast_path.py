"""Publishing right after the response: one attempt, and a failure never costs an order."""

import asyncio
from itertools import count
from threading import Event

import pytest
from structlog.testing import capture_logs
from support.builders import a_cancellation, an_order, encoded
from support.eventually import eventually
from support.fakes import FakeOutbox, FakeStore, FakeTopic

from workers.api.fast_path import MAX_EVENTS, SLOTS, FastPath
from workers.limits import MAX_BATCH
from workers.runtime.errors import Conflict, PermanentError, Unavailable

PATIENCE = 20.0  # s
DOWN = Unavailable("timeout", dependency="sns")


def test_events_that_the_topic_rejects_are_left_to_the_relay(api, order):
    api.topic.fail_entries({0: DOWN})

    with capture_logs() as logs:
        placed = api.post("/orders", order)

    assert placed.status_code == 202
    assert api.store.waiting.keys() == {placed.json()["eventId"]}
    [line] = [line for line in logs if line["event"] == "fast_path.failed"]
    ids = placed.json()
    assert line == {
        "event": "fast_path.failed",
        "log_level": "warning",
        "errorType": "unavailable",
        "eventType": "order.created",
        "eventId": ids["eventId"],
        "correlationId": ids["correlationId"],
        "orderId": ids["orderId"],
        "source": "order-api",
    }


@pytest.mark.parametrize("error", [DOWN, RuntimeError("a bug"), PermanentError("refused")])
def test_a_failing_topic_does_not_affect_the_response(api, order, error):
    api.topic.fail_next("publish", error)

    assert api.post("/orders", order).status_code == 202
    assert len(api.store.waiting) == 1


def test_an_event_that_cannot_be_marked_is_published_again(api, order):
    api.outbox.fail_next("mark_published_direct", DOWN)

    placed = api.post("/orders", order).json()

    assert [envelope.event_id for envelope in api.topic.published] == [placed["eventId"]]
    assert api.store.waiting.keys() == {placed["eventId"]}


def test_a_row_that_another_transaction_writes_leaves_only_itself_unmarked():
    marked = []

    class Busy:
        def mark_published_direct(self, event_ids):
            if event_ids == ["event-1"]:
                raise Conflict("dynamodb: TransactionConflictException")
            marked.extend(event_ids)

    async def publish():
        path = FastPath(FakeTopic(), Busy())
        await asyncio.gather(*(path.publish(encoded(event_id=f"event-{n}")) for n in range(4)))

    with capture_logs() as logs:
        asyncio.run(publish())
    assert sorted(marked) == ["event-0", "event-2", "event-3"]
    assert [line["event"] for line in logs] == ["fast_path.failed"]


class StuckTopic(FakeTopic):
    """Publishes until the test lets it finish."""

    def __init__(self):
        super().__init__()
        self.entered, self.over = [], Event()

    def publish(self, events):
        self.entered.append([event.event_id for event in events])
        self.over.wait(PATIENCE)
        return super().publish(events)


class Scenario:
    """Publishes on an event loop, past a store that has the rows of all events."""

    def __init__(self, topic, **options):
        self.topic, self.store = topic, FakeStore(outbox=True)
        self.outbox = FakeOutbox(self.store)
        self.path = FastPath(topic, self.outbox, **options)
        self._names = map(str, count())

    def publish(self, number=1):
        """Start to publish events, each of its own request."""
        events = [encoded(an_order(), event_id=next(self._names)) for _ in range(number)]
        for event in events:
            self.store.commit(self.store.begin(event.event_id), [event])
        return [asyncio.create_task(self.path.publish(event)) for event in events]

    async def entered(self, requests):
        """Wait until SNS has this number of requests."""
        await asyncio.to_thread(eventually, lambda: len(self.topic.entered) >= requests)


async def under_way(**options):
    """Return a scenario in which SNS has one request and does not answer, and its tasks."""
    shop = Scenario(StuckTopic(), **options)
    tasks = shop.publish()
    await shop.entered(1)
    return shop, tasks


def test_a_lone_event_is_sent_at_once():
    async def scenario():
        shop = Scenario(StuckTopic(), longest_wait=PATIENCE)
        shop.topic.over.set()
        for _ in range(3):
            await asyncio.gather(*shop.publish())
        return shop

    shop = asyncio.run(scenario())

    assert shop.topic.entered == [["0"], ["1"], ["2"]]
    assert not shop.store.waiting


def test_events_that_come_during_a_request_share_the_next_one():
    async def scenario():
        shop, tasks = await under_way(longest_wait=PATIENCE)
        tasks += shop.publish(3)
        await asyncio.sleep(0)
        shop.topic.over.set()
        await asyncio.gather(*tasks)
        return shop

    shop = asyncio.run(scenario())

    assert shop.topic.entered == [["0"], ["1", "2", "3"]]
    assert not shop.store.waiting


def test_a_full_request_does_not_wait_for_the_one_under_way():
    async def scenario():
        shop, tasks = await under_way(longest_wait=PATIENCE)
        tasks += shop.publish(MAX_BATCH + 1)
        await shop.entered(2)
        sizes = [len(events) for events in shop.topic.entered]
        shop.topic.over.set()
        await asyncio.gather(*tasks)
        return sizes, [len(events) for events in shop.topic.entered]

    assert asyncio.run(scenario()) == ([1, MAX_BATCH], [1, MAX_BATCH, 1])


def test_a_request_that_hangs_delays_others_only_for_a_moment():
    async def scenario():
        shop, tasks = await under_way(longest_wait=0.0)
        tasks += shop.publish()
        await shop.entered(2)
        shop.topic.over.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_a_refused_event_is_left_to_the_relay_alone():
    async def scenario():
        shop, tasks = await under_way(longest_wait=PATIENCE)
        tasks += shop.publish(3)
        await asyncio.sleep(0)
        shop.topic.publish = lambda _events: {1: DOWN}  # the second request
        shop.topic.over.set()
        await asyncio.gather(*tasks)
        return shop

    shop = asyncio.run(scenario())

    assert shop.store.waiting.keys() == {"2"}


def test_after_a_mark_that_fails_the_rest_of_the_batch_is_left_to_the_relay():
    """A table that does not answer would make each of them wait for its timeout."""

    async def scenario():
        shop, tasks = await under_way(longest_wait=PATIENCE)
        shop.topic.over.set()
        await asyncio.gather(*tasks)
        shop.topic.over.clear()
        tasks = shop.publish()
        await shop.entered(2)
        tasks += shop.publish(3)
        await asyncio.sleep(0)
        marked, mark = [], shop.outbox.mark_published_direct

        def failing(event_ids):
            marked.extend(event_ids)
            if event_ids == ["3"]:
                raise DOWN
            mark(event_ids)

        shop.outbox.mark_published_direct = failing
        shop.topic.over.set()
        await asyncio.gather(*tasks)
        return shop, marked

    with capture_logs() as logs:
        shop, marked = asyncio.run(scenario())

    assert marked == ["1", "2", "3"]
    assert shop.store.waiting.keys() == {"3", "4"}
    assert [line["eventId"] for line in logs] == ["3", "4"]


def test_a_hung_topic_blocks_a_bounded_number_of_threads_and_requests():
    async def scenario():
        shop = Scenario(StuckTopic(), longest_wait=0.0)
        tasks = []
        for number in range(SLOTS):
            tasks += shop.publish()
            await shop.entered(number + 1)
        tasks += shop.publish(MAX_BATCH)  # they wait for a slot
        await asyncio.gather(*shop.publish())  # returns
        taken = len(shop.topic.entered)
        shop.topic.over.set()
        await asyncio.gather(*tasks)
        return taken, len(shop.topic.entered), len(shop.store.waiting)

    assert asyncio.run(scenario()) == (SLOTS, SLOTS + 1, 1)


def test_a_hung_topic_holds_a_bounded_number_of_events():
    async def scenario():
        shop, tasks = await under_way(longest_wait=PATIENCE)
        tasks += shop.publish(MAX_EVENTS + 5)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        left = sum(task.done() for task in tasks)
        shop.topic.over.set()
        await asyncio.gather(*tasks)
        return left, len(shop.store.waiting)

    assert asyncio.run(scenario()) == (6, 6)


def test_a_request_that_is_cancelled_leaves_the_others_of_its_batch():
    async def scenario():
        shop, (first,) = await under_way(longest_wait=PATIENCE)
        others = shop.publish(2)
        await asyncio.sleep(0)
        others[0].cancel()
        shop.topic.over.set()
        await asyncio.gather(first, *others, return_exceptions=True)
        return shop

    assert not asyncio.run(scenario()).store.waiting


def test_on_a_topic_that_keeps_order_only_the_first_event_of_an_order_goes_past_the_outbox():
    """A cancellation could overtake an order that SNS has refused, and that waits for the relay."""
    topic, store = FakeTopic(), FakeStore(outbox=True)
    fast_path = FastPath(topic, FakeOutbox(store), ordered=True)
    events = [encoded(an_order(), event_id="1"), encoded(a_cancellation(), event_id="2")]
    store.commit(store.begin("key"), events)
    for event in events:
        asyncio.run(fast_path.publish(event))

    assert [event.event_id for event in topic.sent] == ["1"]
    assert store.waiting.keys() == {"2"}
