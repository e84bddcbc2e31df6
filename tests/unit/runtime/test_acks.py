"""Settlements are sent in batches, every entry is confirmed, and none is lost at the end."""

from threading import Thread

import pytest
from support.fakes import FakeClock, FakeQueue

from workers.runtime.acks import (
    LINGER,
    MAX_BACKLOG,
    MAX_REMEMBERED,
    NEARLY_FULL,
    QUIET,
    RETRY_DELAYS,
    Acks,
)
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.leases import Leases
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits

OUTAGE = Unavailable("503", dependency="sqs")


class Rig:
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
        labels = {"service": "", "messaging_destination_name": self.queue.name, "error_type": code}
        name = "messaging_settlement_failures_total"
        return self.telemetry.registry.get_sample_value(name, labels) or 0


@pytest.fixture
def rig():
    return Rig()


def test_an_empty_batch_is_not_sent(rig):
    """Case 16: SQS refuses an empty batch."""
    rig.flush()
    assert rig.queue.calls.total() == 0


def test_a_single_delete_lingers_for_others(rig):
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    rig.flush(after=LINGER / 2)
    assert rig.queue.calls["delete"] == 0
    rig.flush(after=LINGER / 2)
    assert rig.queue.calls["delete"] == 1
    assert len(rig.queue) == 0


def test_a_full_batch_does_not_wait(rig):
    for lease in rig.receive(10):
        rig.acks.delete(lease)
    rig.flush(after=0)
    assert rig.queue.calls["delete"] == 1


def test_many_deletes_are_sent_ten_at_a_time(rig):
    for lease in rig.receive(25):
        rig.acks.delete(lease)
    rig.flush()
    assert rig.queue.calls["delete"] == 3
    assert len(rig.queue) == 0


def test_a_hidden_message_comes_back_after_its_delay(rig):
    (lease,) = rig.receive()
    rig.acks.hide(lease, 7)
    rig.flush()
    assert rig.queue.extensions == [("message-1", 7)]
    rig.clock.advance(7)
    assert rig.queue.visible == 1


def test_a_message_is_forgotten_once_its_settlement_is_confirmed(rig):
    deleted, hidden = rig.receive(2)
    rig.acks.delete(deleted)
    rig.acks.hide(hidden, 5)
    assert len(rig.leases) == rig.acks.backlog == 2
    rig.flush()
    assert len(rig.leases) == rig.acks.backlog == 0


def test_only_the_entry_that_failed_is_sent_again(rig):
    """Case 12."""
    leases = rig.receive(10)
    for lease in leases:
        rig.acks.delete(lease)
    rig.queue.fail_entries("delete", {3: "InternalError"})
    rig.flush()
    assert len(rig.queue) == rig.acks.backlog == len(rig.leases) == 1
    assert rig.failures("InternalError") == 1
    sent = []
    rig.queue.delete, delete = (
        lambda handles: sent.append(handles) or delete(handles),
        (rig.queue.delete),
    )
    rig.flush(after=RETRY_DELAYS[0])
    assert sent == [[leases[3].handle]]
    assert len(rig.queue) == rig.acks.backlog == 0


@pytest.mark.parametrize("code", ["RequestThrottled", "OverLimit", "InternalError", "Unknown"])
def test_a_failed_entry_is_sent_again_even_if_sqs_blames_the_sender(rig, code):
    """Case 13: throttling comes with SenderFault true."""
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    rig.queue.fail_entries("delete", {0: code})
    rig.flush()
    rig.flush(after=RETRY_DELAYS[0])
    assert len(rig.queue) == 0


@pytest.mark.parametrize("error", [OUTAGE, FatalError("access denied")])
@pytest.mark.parametrize("method", ["delete", "change_visibility"])
def test_a_whole_call_that_failed_is_repeated(rig, method, error):
    (lease,) = rig.receive()
    if method == "delete":
        rig.acks.delete(lease)
    else:
        rig.acks.hide(lease, 5)
    rig.queue.fail_next(method, error)
    rig.flush()
    assert rig.acks.backlog == 1
    rig.flush(after=RETRY_DELAYS[0])
    assert rig.acks.backlog == 0
    assert rig.queue.calls[method] == 2


def test_a_delete_whose_reply_was_lost_is_repeated_without_harm(rig):
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    rig.queue.fail_next("delete", OUTAGE, lost_reply=True)
    rig.flush()
    rig.flush(after=RETRY_DELAYS[0])
    assert rig.acks.backlog == len(rig.leases) == 0


def test_retries_slow_down(rig):
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    rig.queue.fail_next("delete", OUTAGE, times=len(RETRY_DELAYS) + 2)
    rig.flush()
    for delay in [*RETRY_DELAYS, RETRY_DELAYS[-1]]:
        calls = rig.queue.calls["delete"]
        rig.flush(after=delay * 0.9)
        assert rig.queue.calls["delete"] == calls
        rig.flush(after=delay * 0.1 + 1e-6)
        assert rig.queue.calls["delete"] == calls + 1


def test_a_retry_does_not_delay_the_others(rig):
    slow, quick = rig.receive(2)
    rig.acks.delete(slow)
    rig.queue.fail_next("delete", OUTAGE)
    rig.flush()
    rig.acks.delete(quick)
    rig.flush()
    rig.flush(after=RETRY_DELAYS[0])
    assert len(rig.queue) == 0


def test_the_newest_handle_is_used(rig):
    """Case 14: the message is redelivered within the linger; one delete settles both deliveries."""
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    rig.queue.redeliver("message-1")
    assert rig.receive_again() == [None]
    rig.flush()
    assert len(rig.queue) == 0
    assert rig.acks.backlog == 0


def test_a_delivery_that_overtakes_the_delete_is_deleted_too(rig):
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    queue, delete = rig.queue, rig.queue.delete

    def overtaken(handles):
        if queue.calls["delete"] == 0:
            queue.redeliver("message-1")
            rig.receive_again()
        return delete(handles)

    queue.delete = overtaken
    rig.flush()
    assert len(queue) == 1
    rig.flush(after=RETRY_DELAYS[0])
    assert len(queue) == rig.acks.backlog == 0


def test_an_invalid_handle_ends_the_retries_and_is_remembered(rig):
    """Case 10."""
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    rig.queue.fail_entries("delete", {0: "ReceiptHandleIsInvalid"})
    rig.flush()
    assert rig.acks.backlog == len(rig.leases) == 0
    assert rig.acks.was_handled("message-1")


def test_a_message_is_forgotten_once_its_delete_succeeded(rig):
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    rig.queue.fail_entries("delete", {0: "ReceiptHandleIsInvalid"})
    rig.flush()
    rig.queue.redeliver("message-1")
    (again,) = rig.receive_again()
    rig.acks.delete(again)
    rig.flush()
    assert not rig.acks.was_handled("message-1")


def test_a_failed_retry_does_not_count_as_handled(rig):
    (lease,) = rig.receive()
    rig.acks.hide(lease, 5)
    rig.queue.fail_entries("change_visibility", {0: "ReceiptHandleIsInvalid"})
    rig.flush()
    assert rig.acks.backlog == 0
    assert not rig.acks.was_handled("message-1")


def test_the_list_of_handled_messages_is_bounded(rig, monkeypatch):
    monkeypatch.setattr("workers.runtime.acks.MAX_REMEMBERED", 5)
    for lease in rig.receive(10):
        rig.acks.delete(lease)
    rig.queue.fail_entries("delete", dict.fromkeys(range(10), "ReceiptHandleIsInvalid"))
    rig.flush()
    remembered = [n for n in range(1, 11) if rig.acks.was_handled(f"message-{n}")]
    assert remembered == [6, 7, 8, 9, 10]
    assert MAX_REMEMBERED == 10_000


def test_polling_pauses_while_sqs_confirms_nothing(rig):
    leases = rig.receive(MAX_BACKLOG)
    for lease in leases[:-1]:
        rig.acks.delete(lease)
    assert not rig.permits.paused
    rig.acks.delete(leases[-1])
    assert rig.permits.paused == {"acks"}
    rig.flush()
    assert not rig.permits.paused


def test_a_settled_message_is_renewed_until_the_delete_is_confirmed(rig):
    """Case 4."""
    (lease,) = rig.receive()
    rig.acks.delete(lease)
    rig.queue.fail_next("delete", OUTAGE, times=40)
    for _ in range(40):
        rig.flush(after=5)
        rig.leases.renew()
    assert rig.queue.visible == 0
    rig.flush(after=5)
    assert len(rig.queue) == 0


# With the ack thread.


def start(rig):
    thread = Thread(target=rig.acks.run, daemon=True)
    thread.start()
    return thread


def test_closing_sends_lingering_settlements_at_once(rig):
    """Case 17. The clock stands still, so nothing else can be due."""
    thread = start(rig)
    deleted, hidden = rig.receive(2)
    rig.acks.delete(deleted)
    rig.acks.hide(hidden, 0)
    rig.acks.close()
    thread.join(2)
    assert not thread.is_alive()
    assert rig.acks.backlog == 0
    assert (len(rig.queue), rig.queue.visible) == (1, 1)


def test_closing_with_nothing_to_send_ends_the_thread(rig):
    thread = start(rig)
    rig.acks.close()
    thread.join(2)
    assert not thread.is_alive()


def test_a_settlement_submitted_after_closing_is_sent_too(rig):
    """Case 17: it is submitted while the rest is being sent."""
    (first, late) = rig.receive(2)
    queue, delete = rig.queue, rig.queue.delete

    def hand_over(handles):
        if queue.calls["delete"] == 0:
            rig.acks.delete(late)
        return delete(handles)

    queue.delete = hand_over
    rig.acks.delete(first)
    rig.acks.close()
    thread = start(rig)
    thread.join(2)
    assert not thread.is_alive()
    assert len(queue) == 0


def test_closing_waits_for_retries():
    """Case 17: the last batch failed, and must not be dropped."""
    rig = Rig()
    real = Acks(rig.queue, rig.leases, rig.permits, telemetry=rig.telemetry)
    for lease in rig.receive(10):
        real.delete(lease)
    rig.queue.fail_entries("delete", {3: "InternalError"})
    real.close()
    thread = Thread(target=real.run, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert len(rig.queue) == 0


def test_the_thread_sends_a_single_delete_after_the_linger():
    rig = Rig()
    real = Acks(rig.queue, rig.leases, rig.permits, telemetry=rig.telemetry, linger=0.01)
    thread = Thread(target=real.run, daemon=True)
    thread.start()
    (lease,) = rig.receive()
    real.delete(lease)
    deadline = 500
    while len(rig.queue) and deadline:
        thread.join(0.01)
        deadline -= 1
    assert len(rig.queue) == 0
    real.close()


def test_a_nearly_full_batch_waits_only_while_more_come(rig):
    for lease in rig.receive(NEARLY_FULL):
        rig.acks.delete(lease)
        rig.flush(after=QUIET * 0.9)
        assert rig.queue.calls["delete"] == 0
    rig.flush(after=QUIET * 0.2)
    assert rig.queue.calls["delete"] == 1


def test_a_smaller_batch_waits_for_the_whole_linger(rig):
    for lease in rig.receive(NEARLY_FULL - 1):
        rig.acks.delete(lease)
    rig.flush(after=LINGER * 0.9)
    assert rig.queue.calls["delete"] == 0
    rig.flush(after=LINGER * 0.2)
    assert rig.queue.calls["delete"] == 1
