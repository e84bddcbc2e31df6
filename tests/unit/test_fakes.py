"""The fakes behave badly on demand, beyond the ports' contract."""

from threading import Thread

import pytest
from support.builders import encoded
from support.fakes import FakeClock, FakeOutbox, FakeQueue, FakeStore, FakeTopic

from workers.runtime.errors import Conflict, InProgress, Unavailable


@pytest.fixture
def clock():
    return FakeClock()


def test_a_message_returns_when_its_visibility_timeout_ends(clock):
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


def test_a_deleted_message_may_be_delivered_again(clock):
    queue = FakeQueue(clock=clock)
    message_id = queue.send("body")
    (message,) = queue.receive(1, 0)
    queue.delete([message.receipt_handle])

    queue.redeliver(message_id)

    assert [again.receive_count for again in queue.receive(1, 0)] == [2]


def test_a_receive_can_be_made_to_return_fewer_messages(clock):
    queue = FakeQueue(clock=clock)
    for number in range(5):
        queue.send(str(number))
    queue.shorten(2)
    queue.shorten(0)

    assert [len(queue.receive(10, 0)) for _ in range(3)] == [2, 0, 3]


def test_messages_come_in_a_random_but_repeatable_order():
    def bodies(seed):
        queue = FakeQueue()
        queue.unordered(seed)
        for number in range(10):
            queue.send(str(number))
        return [message.body for message in queue.receive(10, 0)]

    assert bodies(1) == bodies(1)
    assert bodies(1) != sorted(bodies(1)) == [str(number) for number in range(10)]


def test_of_two_deliveries_in_flight_only_the_newest_handle_counts(clock):
    queue = FakeQueue(clock=clock)
    queue.send("body")
    queue.repeat()

    first, second = queue.receive(10, 0)

    assert (first.id, first.receive_count) == (second.id, second.receive_count)
    queue.delete([first.receipt_handle])
    assert len(queue) == 1
    queue.delete([second.receipt_handle])
    assert len(queue) == 0


def test_a_full_batch_contains_no_repeat(clock):
    queue = FakeQueue(clock=clock)
    queue.send("body")
    queue.repeat()

    assert len(queue.receive(1, 0)) == 1


def test_a_transaction_conflicts_with_one_in_progress():
    """The adapter does the same with TransactionConflict: tests/unit/aws/test_dynamodb.py."""
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


def test_an_event_handled_elsewhere_is_in_progress_and_then_done():
    store = FakeStore()
    ours, theirs = store.begin("order-api#1"), store.begin("order-api#1")

    with store.committing(theirs), pytest.raises(InProgress):
        store.commit(ours, ())

    assert store.commit(ours, ()).repeated


def test_a_lagging_index_shows_earlier_rows():
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


def test_entries_fail_as_requested_and_only_once(clock):
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


def test_the_topic_refuses_the_requested_entries():
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
