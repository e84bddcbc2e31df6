"""Publishing right after the response: one attempt, and a failure never costs an order."""

from threading import Event, Thread

import pytest
from structlog.testing import capture_logs
from support.builders import a_cancellation, an_order, encoded
from support.fakes import FakeOutbox, FakeStore, FakeTopic

from workers.api.fast_path import SLOTS, FastPath
from workers.runtime.errors import PermanentError, Unavailable

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


class StuckTopic(FakeTopic):
    """Publishes until the test lets it finish."""

    def __init__(self):
        super().__init__()
        self.entered, self.over = [], Event()

    def publish(self, events):
        self.entered.append(events)
        self.over.wait()
        return super().publish(events)


def test_a_hung_topic_blocks_a_bounded_number_of_threads():
    topic, arrived = StuckTopic(), Event()
    fast_path = FastPath(topic, FakeOutbox(FakeStore(outbox=True)))
    threads = [Thread(target=fast_path.publish, args=[encoded()]) for _ in range(SLOTS)]
    for thread in threads:
        thread.start()
    while len(topic.entered) < SLOTS:
        arrived.wait(0.001)

    fast_path.publish(encoded())  # returns: all slots are taken

    assert len(topic.entered) == SLOTS
    topic.over.set()
    for thread in threads:
        thread.join()
    fast_path.publish(encoded())
    assert len(topic.entered) == SLOTS + 1


def test_on_a_topic_that_keeps_order_only_the_first_event_of_an_order_goes_past_the_outbox():
    """A cancellation could overtake an order that SNS has refused, and that waits for the relay."""
    topic, store = FakeTopic(), FakeStore(outbox=True)
    fast_path = FastPath(topic, FakeOutbox(store), ordered=True)
    events = [encoded(an_order(), event_id="1"), encoded(a_cancellation(), event_id="2")]
    store.commit(store.begin("key"), events)
    for event in events:
        fast_path.publish(event)

    assert [event.event_id for event in topic.sent] == ["1"]
    assert store.waiting.keys() == {"2"}
