"""Every ``Queue`` behaves like this."""

import pytest

from workers.runtime.dead_letter import first_id as first_of
from workers.runtime.dead_letter import redrives
from workers.runtime.ports import Failure

FAILURE = Failure("the card reader is on fire", "TimeoutError", 3)


def receive(queues, limit=10):
    return queues.queue.receive(limit, 0)


def test_an_empty_queue_returns_nothing(queues):
    assert list(receive(queues)) == []


def test_a_message_arrives_as_it_was_sent(queues):
    message_id = queues.send('{"text": "naïve ☃ 𝄞 \\n"}')

    (message,) = receive(queues)

    assert message.id == message_id
    assert message.body == '{"text": "naïve ☃ 𝄞 \\n"}'
    assert message.receive_count == 1
    assert message.sent_at > 1_700_000_000
    assert message.receipt_handle


def test_a_receive_returns_at_most_its_limit(queues):
    for number in range(5):
        queues.send(str(number))

    assert len(receive(queues, limit=3)) == 3


def test_a_message_in_flight_is_hidden(queues):
    queues.send("body")
    receive(queues)

    assert list(receive(queues)) == []


def test_a_deleted_message_is_gone(queues):
    queues.send("body")
    (message,) = receive(queues)

    assert queues.queue.delete([message.receipt_handle]) == {}
    queues.queue.change_visibility([(message.receipt_handle, 0)])
    assert list(receive(queues)) == []


def test_deleting_twice_succeeds(queues):
    queues.send("body")
    (message,) = receive(queues)
    queues.queue.delete([message.receipt_handle])

    assert queues.queue.delete([message.receipt_handle]) == {}


def test_a_bad_handle_fails_alone_and_by_its_position(queues):
    queues.send("first")
    queues.send("second")
    first, second = (message.receipt_handle for message in receive(queues))

    failed = queues.queue.delete([first, "no handle", second])

    assert failed == {1: "ReceiptHandleIsInvalid"}
    assert queues.queue.change_visibility([("no handle", 5)]) == {0: "ReceiptHandleIsInvalid"}


def test_a_message_handed_back_returns_under_a_new_handle(queues):
    queues.send("body")
    (first,) = receive(queues)

    assert queues.queue.change_visibility([(first.receipt_handle, 0)]) == {}

    (second,) = receive(queues)
    assert (second.id, second.receive_count) == (first.id, 2)
    assert second.receipt_handle != first.receipt_handle


def test_a_message_hidden_for_longer_stays_hidden(queues):
    queues.send("body")
    (message,) = receive(queues)

    assert queues.queue.change_visibility([(message.receipt_handle, 600)]) == {}
    assert list(receive(queues)) == []


def test_a_stale_handle_is_no_error(queues):
    queues.send("body")
    (first,) = receive(queues)
    queues.queue.change_visibility([(first.receipt_handle, 0)])
    (second,) = receive(queues)

    assert queues.queue.delete([first.receipt_handle]) == {}
    assert queues.queue.delete([second.receipt_handle]) == {}


@pytest.mark.parametrize("seconds", [-5, 0.0])
def test_a_negative_visibility_timeout_is_zero(queues, seconds):
    queues.send("body")
    (message,) = receive(queues)

    assert queues.queue.change_visibility([(message.receipt_handle, seconds)]) == {}
    assert len(receive(queues)) == 1


def test_empty_batches_succeed(queues):
    assert queues.queue.delete([]) == {}
    assert queues.queue.change_visibility([]) == {}


def test_a_dead_letter_is_a_copy_and_the_message_stays(queues):
    queues.send("body")
    (message,) = receive(queues)

    queues.queue.dead_letter(message, FAILURE)
    queues.queue.change_visibility([(message.receipt_handle, 0)])

    assert queues.dead_bodies() == ["body"]
    assert [message.body for message in receive(queues)] == ["body"]


def test_a_message_from_the_topic_has_no_attributes_of_a_dead_letter(queues):
    queues.send("body")

    (message,) = receive(queues)

    assert message.attributes == {}


def test_a_redriven_message_has_the_attributes_of_its_dead_letter(queues):
    first_id = queues.send("body")
    (message,) = receive(queues)
    queues.queue.dead_letter(message, FAILURE)
    queues.queue.delete([message.receipt_handle])
    queues.redrive()

    (again,) = receive(queues)

    assert again.id != first_id == again.attributes["source.messageId"]
    assert again.attributes["failure.type"] == "TimeoutError"
    assert again.attributes["failure.redrives"] == "0"
    assert (first_of(again), redrives(again)) == (first_id, 1)
