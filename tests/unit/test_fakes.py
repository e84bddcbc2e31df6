"""What the fakes do on demand, beyond the ports' contract."""

from threading import Thread

import pytest
from support.builders import encoded
from support.fakes import FakeClock, FakeOutbox, FakeQueue, FakeStore, FakeTopic

from workers.runtime.errors import Conflict, InProgress, Unavailable


@pytest.fixture
def clock():
    return FakeClock()


def test_a_message_comes_back_once_its_visibility_timeout_is_over(clock):
    queue = FakeQueue(clock=clock, visibility_timeout=30)
    queue.send("body")
    queue.receive(10, 20)
    clock.advance(29)
    assert queue.receive(10, 20) == []

    clock.advance(1)

    assert [message.receive_count for message in queue.receive(10, 20)] == [2]


def test_a_stale_handle_neither_deletes_nor_hides(clock):
    queue = FakeQueue(clock=clock)
    message_id = queue.send("body")
    (first,) = queue.receive(1, 0)
    queue.redeliver(message_id)
    (second,) = queue.receive(1, 0)

    assert queue.delete([first.receipt_handle]) == {}
    assert queue.change_visibility([(first.receipt_handle, 0)]) == {}

    assert (len(queue), queue.visible, queue.in_flight) == (1, 0, 1)
    queue.delete([second.receipt_handle])
    assert len(queue) == 0


def test_a_message_that_was_deleted_may_come_again(clock):
    queue = FakeQueue(clock=clock)
    message_id = queue.send("body")
    (message,) = queue.receive(1, 0)
    queue.delete([message.receipt_handle])

    queue.redeliver(message_id)

    assert [again.receive_count for again in queue.receive(1, 0)] == [2]


def test_a_receive_brings_fewer_than_there_are_when_told_to(clock):
    queue = FakeQueue(clock=clock)
    for number in range(5):
        queue.send(str(number))
    queue.shorten(2)
    queue.shorten(0)

    assert [len(queue.receive(10, 0)) for _ in range(3)] == [2, 0, 3]


def test_messages_come_in_any_order_and_in_the_same_one_each_time():
    def bodies(seed):
        queue = FakeQueue()
        queue.unordered(seed)
        for number in range(10):
            queue.send(str(number))
        return [message.body for message in queue.receive(10, 0)]

    assert bodies(1) == bodies(1)
    assert bodies(1) != sorted(bodies(1)) == [str(number) for number in range(10)]


def test_a_message_is_in_flight_twice_and_only_its_newest_handle_counts(clock):
    queue = FakeQueue(clock=clock)
    queue.send("body")
    queue.repeat()

    first, second = queue.receive(10, 0)

    assert (first.id, first.receive_count) == (second.id, second.receive_count)
    queue.delete([first.receipt_handle])
    assert len(queue) == 1
    queue.delete([second.receipt_handle])
    assert len(queue) == 0


def test_a_full_batch_has_no_room_for_a_repeat(clock):
    queue = FakeQueue(clock=clock)
    queue.send("body")
    queue.repeat()

    assert len(queue.receive(1, 0)) == 1


def test_a_transaction_is_refused_what_another_is_at():
    """As the adapter reads TransactionConflict: tests/unit/aws/test_dynamodb.py."""
    store = FakeStore()
    ours, theirs = store.begin("order-api#1"), store.begin("order-api#2")
    for tx in (ours, theirs):
        tx.add("stock#tea", {"available": -1})

    with store.committing(theirs):
        with pytest.raises(Conflict) as raised:
            store.commit(ours, ())
        assert not isinstance(raised.value, InProgress)
        store.commit(store.begin("order-api#3"), ())

    assert store.recall("order-api#1") is None
    store.commit(ours, ())
    assert store.documents == {"stock#tea": {"available": -2}}


def test_an_event_that_another_is_handling_is_in_progress_then_done():
    store = FakeStore()
    ours, theirs = store.begin("order-api#1"), store.begin("order-api#1")

    with store.committing(theirs), pytest.raises(InProgress):
        store.commit(ours, ())

    assert store.commit(ours, ()).repeated


def test_an_index_that_lags_shows_what_was():
    store = FakeStore(outbox=True)
    outbox = FakeOutbox(store)
    store.commit(store.begin("api#1"), [encoded(event_id="event-1")])

    def shown():
        return [row.event_id for shard in range(4) for row in outbox.waiting(shard, 10)]

    with outbox.stale_index():
        store.commit(store.begin("api#2"), [encoded(event_id="event-2")])
        outbox.mark_published_direct(["event-1"])
        assert shown() == ["event-1"]

    assert shown() == ["event-2"]


def test_a_message_received_too_often_is_moved_without_a_reason(clock):
    queue = FakeQueue(clock=clock, max_receives=2)
    message_id = queue.send("body")
    for _ in range(2):
        queue.receive(1, 0)
        queue.redeliver(message_id)

    assert queue.receive(1, 0) == []
    assert [(dead.message.body, dead.failure) for dead in queue.dead_letters] == [("body", None)]


def test_a_redriven_message_is_a_new_message(clock):
    queue = FakeQueue(clock=clock, max_receives=0)
    message_id = queue.send("body")
    queue.receive(1, 0)

    (new_id,) = queue.redrive()

    assert new_id != message_id
    assert queue.dead_letters == []


def test_twelve_hours_of_visibility_count_from_the_receive(clock):
    queue = FakeQueue(clock=clock)
    queue.send("body")
    (message,) = queue.receive(1, 0)
    clock.advance(50)

    refused = queue.change_visibility([(message.receipt_handle, 43_151)])
    accepted = queue.change_visibility([(message.receipt_handle, 43_150)])

    assert (refused, accepted) == ({0: "InvalidParameterValue"}, {})


def test_entries_fail_as_told_and_only_once(clock):
    queue = FakeQueue(clock=clock)
    queue.send("first")
    queue.send("second")
    handles = [message.receipt_handle for message in queue.receive(10, 0)]
    queue.fail_entries("delete", {1: "RequestThrottled"})

    assert queue.delete(handles) == {1: "RequestThrottled"}
    assert len(queue) == 1
    assert queue.delete(handles) == {}
    assert queue.calls["delete"] == 2


def test_a_call_fails_before_or_after_its_effect():
    store = FakeStore()
    tx = store.begin("order-api#1")
    store.fail_next("commit", Unavailable("down", dependency="dynamodb"))
    store.fail_next("commit", Unavailable("lost", dependency="dynamodb"), lost_reply=True)

    with pytest.raises(Unavailable, match="down"):
        store.commit(tx, ())
    assert store.recall("order-api#1") is None
    with pytest.raises(Unavailable, match="lost"):
        store.commit(tx, ())
    assert store.commit(tx, ()).repeated


def test_the_topic_refuses_the_entries_it_is_told_to():
    topic = FakeTopic()
    error = Unavailable("throttled", dependency="sns")
    topic.fail_entries({0: error})
    events = [encoded(event_id="event-1"), encoded(event_id="event-2")]

    assert topic.publish(events) == {0: error}
    assert topic.sent == events[1:]


def test_a_blocking_receive_ends_with_a_message_or_an_interruption(clock):
    queue = FakeQueue(clock=clock, blocking=True)
    received = []

    def poll():
        received.extend(queue.receive(1, 10))
        received.extend(queue.receive(1, 10))

    thread = Thread(target=poll, daemon=True)
    thread.start()
    queue.send("body")
    queue.interrupt()
    thread.join(5)

    assert not thread.is_alive()
    assert [message.body for message in received] == ["body"]
