"""Handlers share requests to the topic, and each gets the result of its own outcomes."""

from threading import Event as Flag
from threading import Thread

import pytest
from support.builders import an_order, encoded
from support.eventually import eventually
from support.fakes import FakeTopic

from workers.runtime.errors import PermanentError, Unavailable
from workers.runtime.publisher import Publisher

OUTAGE = Unavailable("no answer", dependency="sns")


@pytest.fixture
def topic():
    return Gated()


def outcome(number):
    return encoded(an_order(order_id=f"order-{number}"), event_id=f"event-{number}")


def test_outcomes_that_arrive_during_a_request_share_the_next(topic):
    publisher = Publisher(topic, longest_wait=60)
    first = Publishing(publisher, [outcome(0)])
    eventually(lambda: topic.sizes == [1])

    others = [Publishing(publisher, [outcome(n)]) for n in range(1, 10)]
    eventually(lambda: publisher.waiting == 9)
    topic.open()

    assert [each.told() for each in (first, *others)] == [{}] * 10
    assert topic.sizes == [1, 9]
    assert topic.ids == {f"event-{n}" for n in range(10)}


def test_a_batch_never_has_more_than_ten_and_a_full_one_does_not_wait(topic):
    publisher = Publisher(topic, longest_wait=60)
    Publishing(publisher, [outcome(0)])
    eventually(lambda: topic.sizes == [1])

    for n in range(1, 4):
        Publishing(publisher, [outcome(10 * n + i) for i in range(4)])

    eventually(lambda: topic.sizes == [1, 8])
    topic.open()
    eventually(lambda: topic.sizes == [1, 8, 4])


def test_a_lone_publisher_never_waits():
    publisher = Publisher(FakeTopic(), longest_wait=3600)

    assert publisher.publish([outcome(1)]) == {}
    assert publisher.publish([outcome(2)]) == {}


def test_a_hanging_request_does_not_block_the_others(topic):
    publisher = Publisher(topic, longest_wait=0.01)
    Publishing(publisher, [outcome(0)])
    eventually(lambda: topic.sizes == [1])

    Publishing(publisher, [outcome(1)])

    eventually(lambda: topic.sizes == [1, 1])


def test_each_publisher_gets_its_own_refusals_by_its_own_positions(topic):
    topic.refuses["event-11"] = PermanentError("too large")
    publisher = Publisher(topic, longest_wait=60)
    Publishing(publisher, [outcome(0)])
    eventually(lambda: topic.sizes == [1])
    good = Publishing(publisher, [outcome(1), outcome(2)])
    eventually(lambda: publisher.waiting == 2)
    bad = Publishing(publisher, [outcome(10), outcome(11)])
    eventually(lambda: publisher.waiting == 4)
    topic.open()

    assert good.told() == {}
    assert list(bad.told()) == [1]


def test_an_error_of_the_request_is_raised_for_every_publisher(topic):
    publisher = Publisher(topic, longest_wait=60)
    Publishing(publisher, [outcome(0)])
    eventually(lambda: topic.sizes == [1])
    two = [Publishing(publisher, [outcome(n)]) for n in (1, 2)]
    eventually(lambda: publisher.waiting == 2)
    topic.fails = OUTAGE
    topic.open()

    assert [list(each.told().values()) for each in two] == [[OUTAGE], [OUTAGE]]


def test_a_full_batch_is_sent_during_a_request_and_no_thread_wakes_up_for_nothing(topic):
    waits = []

    def rest(condition, _seconds):
        waits.append(condition.wait(10))  # False: nobody woke it up

    publisher = Publisher(topic, longest_wait=60, rest=rest)
    first = Publishing(publisher, [outcome(0)])
    eventually(lambda: topic.sizes == [1])
    ten = []
    for number in range(1, 11):
        eventually(lambda number=number: publisher.waiting == number - 1)
        ten.append(Publishing(publisher, [outcome(number)]))
    eventually(lambda: topic.sizes == [1, 10])
    topic.open()

    assert [each.told() for each in (first, *ten)] == [{}] * 11
    assert waits == [True] * 10  # one of each


class Publishing:
    """One handler that publishes."""

    def __init__(self, publisher, outcomes):
        self._told = None
        self._thread = Thread(target=self._publish, args=(publisher, outcomes), daemon=True)
        self._thread.start()

    def _publish(self, publisher, outcomes):
        self._told = publisher.publish(outcomes)

    def told(self):
        self._thread.join(10)
        return self._told


class Gated:
    """A topic whose requests block until it is opened."""

    def __init__(self):
        self.sizes = []
        self.ids = set()
        self.refuses = {}
        self.fails = None
        self._open = Flag()

    def open(self):
        self._open.set()

    def publish(self, envelopes):
        self.sizes.append(len(envelopes))
        self.ids |= {envelope.event_id for envelope in envelopes}
        self._open.wait(10)
        if self.fails is not None and len(self.sizes) > 1:
            raise self.fails
        return {
            position: self.refuses[envelope.event_id]
            for position, envelope in enumerate(envelopes)
            if envelope.event_id in self.refuses
        }
