"""Handlers share requests to the topic, and each learns what became of its own outcomes."""

from threading import Barrier, Thread

from builders import an_envelope, an_order
from fakes import FakeTopic

from workers.runtime.errors import PermanentError, Unavailable
from workers.runtime.publisher import Publisher

OUTAGE = Unavailable("no answer", dependency="sns")


def published_at_once(publisher, outcomes):
    """Publish each list from a thread of its own; give what each was told."""
    told = [None] * len(outcomes)
    start = Barrier(len(outcomes), timeout=10)

    def publish(number):
        start.wait()
        told[number] = publisher.publish(outcomes[number])

    threads = [Thread(target=publish, args=(n,)) for n in range(len(outcomes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return told


def outcome(number):
    return an_envelope(an_order(order_id=f"order-{number}"), event_id=f"event-{number}")


def test_handlers_that_end_together_share_a_request():
    topic = FakeTopic()
    publisher = Publisher(topic, in_flight=lambda: 10, linger=5)

    told = published_at_once(publisher, [[outcome(n)] for n in range(10)])

    assert told == [{}] * 10
    assert topic.calls["publish"] == 1
    assert {e.event_id for e in topic.published} == {f"event-{n}" for n in range(10)}


def test_a_batch_never_has_more_than_ten():
    topic = Recording()
    publisher = Publisher(topic, in_flight=lambda: 4, linger=0.05)

    published_at_once(publisher, [[outcome(10 * n + i) for i in range(4)] for n in range(4)])

    assert sorted(topic.sizes) == [8, 8]


def test_who_is_alone_does_not_wait():
    publisher = Publisher(FakeTopic(), in_flight=lambda: 1, linger=3600)

    assert publisher.publish([outcome(1)]) == {}


def test_each_learns_of_its_own_refusals_by_its_own_positions():
    topic = Refusing({"event-11": PermanentError("too large")})
    publisher = Publisher(topic, in_flight=lambda: 2, linger=0.5)

    told = published_at_once(publisher, [[outcome(1), outcome(2)], [outcome(10), outcome(11)]])

    assert told[0] == {}
    assert list(told[1]) == [1]


def test_an_error_of_the_request_is_everybodys():
    topic = FakeTopic()
    topic.fail_next("publish", OUTAGE)
    publisher = Publisher(topic, in_flight=lambda: 2, linger=0.5)

    told = published_at_once(publisher, [[outcome(1)], [outcome(2)]])

    assert [list(refused.values()) for refused in told] == [[OUTAGE], [OUTAGE]]


class Recording:
    def __init__(self):
        self.sizes = []

    def publish(self, envelopes):
        self.sizes.append(len(envelopes))
        return {}


class Refusing:
    def __init__(self, errors):
        self.errors = errors

    def publish(self, envelopes):
        return {
            position: self.errors[envelope.event_id]
            for position, envelope in enumerate(envelopes)
            if envelope.event_id in self.errors
        }
