"""Publishing straight after the answer: one attempt, and never at the expense of an order."""

from threading import Event, Thread

import pytest
from structlog.testing import capture_logs
from support.builders import encoded
from support.fakes import FakeOutbox, FakeStore, FakeTopic

from workers.api.fast_path import SLOTS, FastPath
from workers.runtime.errors import PermanentError, Unavailable

DOWN = Unavailable("timeout", dependency="sns")


def test_what_the_topic_does_not_take_stays_for_the_relay(api, order):
    api.topic.fail_entries({0: DOWN})

    with capture_logs() as logs:
        placed = api.post("/orders", order)

    assert placed.status_code == 202
    assert api.store.waiting.keys() == {placed.json()["eventId"]}
    [line] = [line for line in logs if line["event"] == "fast_path.failed"]
    assert (line["errorType"], line["eventId"]) == ("Unavailable", placed.json()["eventId"])


@pytest.mark.parametrize("error", [DOWN, RuntimeError("a bug"), PermanentError("refused")])
def test_no_failure_of_the_topic_reaches_the_customer(api, order, error):
    api.topic.fail_next("publish", error)

    assert api.post("/orders", order).status_code == 202
    assert len(api.store.waiting) == 1


def test_an_event_whose_mark_fails_is_left_to_be_published_again(api, order):
    api.outbox.fail_next("mark_published_direct", DOWN)

    placed = api.post("/orders", order).json()

    assert [envelope.event_id for envelope in api.topic.published] == [placed["eventId"]]
    assert api.store.waiting.keys() == {placed["eventId"]}


class StuckTopic(FakeTopic):
    """Takes as long as a test wants."""

    def __init__(self):
        super().__init__()
        self.entered, self.over = [], Event()

    def publish(self, events):
        self.entered.append(events)
        self.over.wait()
        return super().publish(events)


def test_a_topic_that_hangs_holds_only_so_many_threads():
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
