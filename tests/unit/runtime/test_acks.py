"""Settlements are sent in batches, every entry is confirmed, and none is lost at the end."""

from threading import Thread

import pytest
from support.fakes import FakeClock, FakeQueue

from workers.runtime.acks import LINGER, MAX_BACKLOG, MAX_REMEMBERED, RETRY_DELAYS, Acks
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.leases import Leases
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits

OUTAGE = Unavailable("503", dependency="sqs")


class Desk:
    """Acks with leases on a queue."""

    def __init__(self):
        self.clock = FakeClock()
        self.queue = FakeQueue(clock=self.clock)
        self.telemetry = Telemetry(self.queue.name)
        self.permits = Permits(10)
        self.leases = Leases(self.queue, telemetry=self.telemetry, now=self.clock)
        self.acks = Acks(
            self.queue, self.leases, self.permits, telemetry=self.telemetry, now=self.clock
        )

    def receive(self, count=1):
        for _ in range(count):
            self.queue.send("{}")
        return self.receive_again(count)

    def receive_again(self, count=1):
        leases = []
        while count > 0:
            messages = self.queue.receive(min(10, count), 0)
            leases += [self.leases.grant(message) for message in messages]
            count -= len(messages)
        return leases

    def flush(self, after=LINGER):
        self.clock.advance(after)
        self.acks.flush()

    def failures(self, code):
        labels = {"messaging_destination_name": self.queue.name, "error_type": code}
        name = "messaging_settlement_failures_total"
        return self.telemetry.registry.get_sample_value(name, labels) or 0


@pytest.fixture
def desk():
    return Desk()


def test_an_empty_batch_is_not_sent(desk):
    """Case 16: SQS refuses an empty batch."""
    desk.flush()
    assert desk.queue.calls.total() == 0


def test_a_single_delete_lingers_for_others(desk):
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    desk.flush(after=LINGER / 2)
    assert desk.queue.calls["delete"] == 0
    desk.flush(after=LINGER / 2)
    assert desk.queue.calls["delete"] == 1
    assert len(desk.queue) == 0


def test_a_full_batch_does_not_wait(desk):
    for lease in desk.receive(10):
        desk.acks.delete(lease)
    desk.flush(after=0)
    assert desk.queue.calls["delete"] == 1


def test_many_deletes_are_sent_ten_at_a_time(desk):
    for lease in desk.receive(25):
        desk.acks.delete(lease)
    desk.flush()
    assert desk.queue.calls["delete"] == 3
    assert len(desk.queue) == 0


def test_a_hidden_message_comes_back_after_its_delay(desk):
    (lease,) = desk.receive()
    desk.acks.hide(lease, 7)
    desk.flush()
    assert desk.queue.extensions == [("message-1", 7)]
    desk.clock.advance(7)
    assert desk.queue.visible == 1


def test_a_message_is_forgotten_once_its_settlement_is_confirmed(desk):
    deleted, hidden = desk.receive(2)
    desk.acks.delete(deleted)
    desk.acks.hide(hidden, 5)
    assert len(desk.leases) == desk.acks.backlog == 2
    desk.flush()
    assert len(desk.leases) == desk.acks.backlog == 0


def test_only_the_entry_that_failed_is_sent_again(desk):
    """Case 12."""
    leases = desk.receive(10)
    for lease in leases:
        desk.acks.delete(lease)
    desk.queue.fail_entries("delete", {3: "InternalError"})
    desk.flush()
    assert len(desk.queue) == desk.acks.backlog == len(desk.leases) == 1
    assert desk.failures("InternalError") == 1
    sent = []
    desk.queue.delete, delete = (
        lambda handles: sent.append(handles) or delete(handles),
        (desk.queue.delete),
    )
    desk.flush(after=RETRY_DELAYS[0])
    assert sent == [[leases[3].handle]]
    assert len(desk.queue) == desk.acks.backlog == 0


@pytest.mark.parametrize("code", ["RequestThrottled", "OverLimit", "InternalError", "Unknown"])
def test_a_failed_entry_is_sent_again_even_if_sqs_blames_the_sender(desk, code):
    """Case 13: throttling comes with SenderFault true."""
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    desk.queue.fail_entries("delete", {0: code})
    desk.flush()
    desk.flush(after=RETRY_DELAYS[0])
    assert len(desk.queue) == 0


@pytest.mark.parametrize("error", [OUTAGE, FatalError("access denied")])
@pytest.mark.parametrize("method", ["delete", "change_visibility"])
def test_a_whole_call_that_failed_is_repeated(desk, method, error):
    (lease,) = desk.receive()
    if method == "delete":
        desk.acks.delete(lease)
    else:
        desk.acks.hide(lease, 5)
    desk.queue.fail_next(method, error)
    desk.flush()
    assert desk.acks.backlog == 1
    desk.flush(after=RETRY_DELAYS[0])
    assert desk.acks.backlog == 0
    assert desk.queue.calls[method] == 2


def test_a_delete_whose_reply_was_lost_is_repeated_without_harm(desk):
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    desk.queue.fail_next("delete", OUTAGE, lost_reply=True)
    desk.flush()
    desk.flush(after=RETRY_DELAYS[0])
    assert desk.acks.backlog == len(desk.leases) == 0


def test_retries_slow_down(desk):
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    desk.queue.fail_next("delete", OUTAGE, times=len(RETRY_DELAYS) + 2)
    desk.flush()
    for delay in [*RETRY_DELAYS, RETRY_DELAYS[-1]]:
        calls = desk.queue.calls["delete"]
        desk.flush(after=delay * 0.9)
        assert desk.queue.calls["delete"] == calls
        desk.flush(after=delay * 0.1 + 1e-6)
        assert desk.queue.calls["delete"] == calls + 1


def test_a_retry_does_not_delay_the_others(desk):
    slow, quick = desk.receive(2)
    desk.acks.delete(slow)
    desk.queue.fail_next("delete", OUTAGE)
    desk.flush()
    desk.acks.delete(quick)
    desk.flush()
    desk.flush(after=RETRY_DELAYS[0])
    assert len(desk.queue) == 0


def test_the_newest_handle_is_used(desk):
    """Case 14: the message is redelivered within the linger; one delete settles both deliveries."""
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    desk.queue.redeliver("message-1")
    assert desk.receive_again() == [None]
    desk.flush()
    assert len(desk.queue) == 0
    assert desk.acks.backlog == 0


def test_a_delivery_that_overtakes_the_delete_is_deleted_too(desk):
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    queue, delete = desk.queue, desk.queue.delete

    def overtaken(handles):
        if queue.calls["delete"] == 0:
            queue.redeliver("message-1")
            desk.receive_again()
        return delete(handles)

    queue.delete = overtaken
    desk.flush()
    assert len(queue) == 1
    desk.flush(after=RETRY_DELAYS[0])
    assert len(queue) == desk.acks.backlog == 0


def test_an_invalid_handle_ends_the_retries_and_is_remembered(desk):
    """Case 10."""
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    desk.queue.fail_entries("delete", {0: "ReceiptHandleIsInvalid"})
    desk.flush()
    assert desk.acks.backlog == len(desk.leases) == 0
    assert desk.acks.was_handled("message-1")


def test_a_message_is_forgotten_once_its_delete_succeeded(desk):
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    desk.queue.fail_entries("delete", {0: "ReceiptHandleIsInvalid"})
    desk.flush()
    desk.queue.redeliver("message-1")
    (again,) = desk.receive_again()
    desk.acks.delete(again)
    desk.flush()
    assert not desk.acks.was_handled("message-1")


def test_a_failed_retry_does_not_count_as_handled(desk):
    (lease,) = desk.receive()
    desk.acks.hide(lease, 5)
    desk.queue.fail_entries("change_visibility", {0: "ReceiptHandleIsInvalid"})
    desk.flush()
    assert desk.acks.backlog == 0
    assert not desk.acks.was_handled("message-1")


def test_the_list_of_handled_messages_is_bounded(desk, monkeypatch):
    monkeypatch.setattr("workers.runtime.acks.MAX_REMEMBERED", 5)
    for lease in desk.receive(10):
        desk.acks.delete(lease)
    desk.queue.fail_entries("delete", dict.fromkeys(range(10), "ReceiptHandleIsInvalid"))
    desk.flush()
    remembered = [n for n in range(1, 11) if desk.acks.was_handled(f"message-{n}")]
    assert remembered == [6, 7, 8, 9, 10]
    assert MAX_REMEMBERED == 10_000


def test_polling_pauses_while_sqs_confirms_nothing(desk):
    leases = desk.receive(MAX_BACKLOG)
    for lease in leases[:-1]:
        desk.acks.delete(lease)
    assert not desk.permits.paused
    desk.acks.delete(leases[-1])
    assert desk.permits.paused == {"acks"}
    desk.flush()
    assert not desk.permits.paused


def test_a_settled_message_is_renewed_until_the_delete_is_confirmed(desk):
    """Case 4."""
    (lease,) = desk.receive()
    desk.acks.delete(lease)
    desk.queue.fail_next("delete", OUTAGE, times=40)
    for _ in range(40):
        desk.flush(after=5)
        desk.leases.renew()
    assert desk.queue.visible == 0
    desk.flush(after=5)
    assert len(desk.queue) == 0


# With the ack thread.


def start(desk):
    thread = Thread(target=desk.acks.run, daemon=True)
    thread.start()
    return thread


def test_closing_sends_lingering_settlements_at_once(desk):
    """Case 17. The clock stands still, so nothing else can be due."""
    thread = start(desk)
    deleted, hidden = desk.receive(2)
    desk.acks.delete(deleted)
    desk.acks.hide(hidden, 0)
    desk.acks.close()
    thread.join(2)
    assert not thread.is_alive()
    assert desk.acks.backlog == 0
    assert (len(desk.queue), desk.queue.visible) == (1, 1)


def test_closing_with_nothing_to_send_ends_the_thread(desk):
    thread = start(desk)
    desk.acks.close()
    thread.join(2)
    assert not thread.is_alive()


def test_a_settlement_submitted_after_closing_is_sent_too(desk):
    """Case 17: it is submitted while the rest is being sent."""
    (first, late) = desk.receive(2)
    queue, delete = desk.queue, desk.queue.delete

    def hand_over(handles):
        if queue.calls["delete"] == 0:
            desk.acks.delete(late)
        return delete(handles)

    queue.delete = hand_over
    desk.acks.delete(first)
    desk.acks.close()
    thread = start(desk)
    thread.join(2)
    assert not thread.is_alive()
    assert len(queue) == 0


def test_closing_waits_for_retries():
    """Case 17: the last batch failed, and must not be dropped."""
    desk = Desk()
    real = Acks(desk.queue, desk.leases, desk.permits, telemetry=desk.telemetry)
    for lease in desk.receive(10):
        real.delete(lease)
    desk.queue.fail_entries("delete", {3: "InternalError"})
    real.close()
    thread = Thread(target=real.run, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert len(desk.queue) == 0


def test_the_thread_sends_a_single_delete_after_the_linger():
    desk = Desk()
    real = Acks(desk.queue, desk.leases, desk.permits, telemetry=desk.telemetry, linger=0.01)
    thread = Thread(target=real.run, daemon=True)
    thread.start()
    (lease,) = desk.receive()
    real.delete(lease)
    deadline = 500
    while len(desk.queue) and deadline:
        thread.join(0.01)
        deadline -= 1
    assert len(desk.queue) == 0
    real.close()
