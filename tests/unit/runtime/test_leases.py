"""A message stays invisible until its settlement is confirmed, or its handler gets an error."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from support.builders import a_message, an_envelope, an_order
from support.fakes import FakeClock, FakeQueue

from workers.events import peek
from workers.limits import MAX_VISIBILITY_TIMEOUT
from workers.runtime.errors import FatalError, LeaseLost, Unavailable
from workers.runtime.leases import HANDLER_TIMEOUT, HUNG, STALL, Leases
from workers.runtime.observability.telemetry import Telemetry

OUTAGE = Unavailable("503", dependency="sqs")


class Table:
    """Leases on a queue, with the messages in it."""

    def __init__(self, visibility_timeout=60, **options):
        self.clock = FakeClock()
        self.queue = FakeQueue(clock=self.clock, visibility_timeout=visibility_timeout)
        self.telemetry = Telemetry(self.queue.name)
        self.leases = Leases(
            self.queue,
            telemetry=self.telemetry,
            now=self.clock,
            **options,
        )

    def grant(self, count=1):
        for _ in range(count):
            self.queue.send("{}")
        granted = []
        while len(granted) < count:
            messages = self.queue.receive(min(10, count - len(granted)), 0)
            granted += [self.leases.grant(message) for message in messages]
        return granted

    def pass_time(self, seconds):
        until = self.clock() + seconds
        while self.clock() < until:
            self.clock.advance(min(self.leases.tick, until - self.clock()))
            self.leases.renew()

    def lost(self, reason):
        return self.sample("messaging_leases_lost_total", reason=reason)

    def sample(self, name, **labels):
        labels |= {"service": "", "messaging_destination_name": self.queue.name}
        return self.telemetry.registry.get_sample_value(name, labels)


@pytest.fixture
def table():
    return Table()


@pytest.mark.parametrize(("visibility", "tick"), [(30, 2.5), (60, 5.0), (600, 5.0), (2, 1 / 6)])
def test_a_lease_is_checked_several_times_before_it_ends(visibility, tick):
    assert Table(visibility).leases.tick == pytest.approx(tick)


def test_a_short_message_costs_no_renewal(table):
    table.grant()
    table.pass_time(25)
    assert table.queue.calls["change_visibility"] == 0


def test_a_message_is_renewed_once_half_its_time_is_used_up(table):
    (lease,) = table.grant()
    table.pass_time(35)
    assert table.queue.extensions == [("message-1", 60)]
    assert lease.deadline == table.clock() + 60


def test_a_long_handler_keeps_its_message(table):
    (lease,) = table.grant()
    table.leases.start(lease)
    table.pass_time(800)
    assert lease.lost is None
    assert table.queue.visible == 0


def test_leases_due_soon_fill_up_the_batch(table):
    table.grant(5)
    table.pass_time(10)
    table.grant(10)
    table.pass_time(25)
    assert table.queue.calls["change_visibility"] == 1
    assert len(table.queue.extensions) == 10


def test_many_messages_are_renewed_in_batches_of_ten(table):
    table.grant(25)
    table.pass_time(35)
    assert table.queue.calls["change_visibility"] == 3
    assert len(table.queue.extensions) == 25


@given(st.floats(30.1, 800))
def test_the_requested_timeout_never_depends_on_the_time_that_passed(seconds):
    """Case 8: a visibility timeout counts from the call."""
    table = Table()
    table.grant()
    table.pass_time(seconds)
    assert {asked for _, asked in table.queue.extensions} == {60}


def test_a_failed_renewal_is_repeated_at_the_next_tick(table):
    """Case 5."""
    (lease,) = table.grant()
    table.queue.fail_next("change_visibility", OUTAGE)
    table.pass_time(40)
    assert table.queue.calls["change_visibility"] == 2
    assert lease.deadline == table.clock() + 60


@pytest.mark.parametrize("error", [OUTAGE, FatalError("access denied")])
def test_a_deadline_moves_only_if_sqs_accepts_the_renewal(table, error):
    """Case 6."""
    (lease,) = table.grant()
    before = lease.deadline
    table.queue.fail_next("change_visibility", error, times=2)
    table.pass_time(40)
    assert lease.deadline == before


def test_an_entry_that_failed_is_renewed_at_the_next_tick(table):
    """Case 13: only the error code decides."""
    first, second = table.grant(2)
    table.queue.fail_entries("change_visibility", {0: "RequestThrottled"})
    table.pass_time(40)
    assert first.deadline == table.clock() + 60
    assert second.deadline == table.clock() + 55
    assert first.lost is None


def test_a_lease_that_could_not_be_kept_is_lost(table):
    (lease,) = table.grant()
    table.queue.fail_next("change_visibility", OUTAGE, times=99)
    table.pass_time(65)
    assert table.lost("expired") == 1
    with pytest.raises(LeaseLost, match="expired"):
        lease.check()


def test_a_message_whose_handle_sqs_rejects_is_lost(table):
    (lease,) = table.grant()
    table.queue.delete([lease.handle])
    table.pass_time(35)
    assert table.lost("taken") == 1
    with pytest.raises(LeaseLost, match="taken"):
        lease.check()


def test_a_hung_handler_loses_its_message(table):
    (lease,) = table.grant()
    table.leases.start(lease)
    table.pass_time(HANDLER_TIMEOUT + 10)
    assert table.lost("handler_timeout") == 1
    table.clock.advance(60)
    assert table.queue.visible == 1


def test_a_waiting_message_does_not_count_as_a_hung_handler(table):
    (lease,) = table.grant()
    table.pass_time(HANDLER_TIMEOUT + 10)
    assert lease.lost is None


def test_nothing_is_renewed_beyond_twelve_hours(table):
    """Case 7: SQS counts from the receive, so the request would fail."""
    (lease,) = table.grant()
    table.pass_time(MAX_VISIBILITY_TIMEOUT - 70)
    assert lease.lost is None
    table.pass_time(20)
    assert lease.lost == "twelve_hours"
    assert table.lost("twelve_hours") == 1
    assert "InvalidParameterValue" not in str(table.queue.extensions)


def test_a_lost_lease_is_reported_once(table):
    table.grant()
    table.queue.fail_next("change_visibility", OUTAGE, times=99)
    table.pass_time(300)
    assert table.lost("expired") == 1


def test_a_settled_message_is_renewed_until_it_is_gone(table):
    """Case 4."""
    (lease,) = table.grant()
    table.leases.settle(lease)
    table.pass_time(300)
    assert table.queue.visible == 0
    table.leases.close(lease)
    before = len(table.queue.extensions)
    table.pass_time(100)
    assert len(table.queue.extensions) == before


def test_a_settled_message_is_never_lost(table):
    """Its effect is committed: a delete with an old handle does no harm."""
    (lease,) = table.grant()
    table.leases.settle(lease)
    table.queue.fail_next("change_visibility", OUTAGE, times=30)
    table.pass_time(120)
    assert lease.lost is None


def test_renewing_a_deleted_message_is_not_reported(table):
    """Case 3: the lease thread and the ack thread do not coordinate."""
    (lease,) = table.grant()
    table.leases.settle(lease)
    table.queue.delete([lease.handle])
    table.pass_time(35)
    assert lease.lost is None
    assert table.lost("taken") == 0


def test_a_released_message_is_not_hidden_again(table):
    (lease,) = table.grant()
    table.leases.release(lease)
    table.pass_time(100)
    assert table.queue.extensions == []
    assert lease.lost is None


def test_a_message_released_during_a_slow_renewal_is_not_hidden_again(table):
    """The batches of one tick are sent one after the other."""
    leases = table.grant(20)
    table.pass_time(25)
    queue = table.queue
    change = queue.change_visibility

    def slow_change(changes):
        queue.change_visibility = change
        for lease in leases:
            table.leases.release(lease)
        return change(changes)

    queue.change_visibility = slow_change
    table.pass_time(10)
    assert len(queue.extensions) == 10


def test_a_second_delivery_gets_no_second_lease(table):
    (lease,) = table.grant()
    table.queue.redeliver("message-1")
    table.clock.advance(10)
    (again,) = table.queue.receive(10, 0)
    assert table.leases.grant(again) is None
    assert lease.handle == again.receipt_handle
    assert lease.deadline == table.clock() + 60
    assert len(table.leases) == 1


def test_a_second_delivery_is_renewed_with_its_own_handle(table):
    """Case 2: the old handle would keep nothing hidden."""
    table.grant()
    table.queue.redeliver("message-1")
    table.leases.grant(table.queue.receive(10, 0)[0])
    table.pass_time(40)
    assert table.queue.extensions == [("message-1", 60)]


def test_a_newer_handle_is_not_blamed_for_the_older_one(table):
    """The redelivery arrives while the older handle is being renewed."""
    (lease,) = table.grant()
    queue, change = table.queue, table.queue.change_visibility

    def overtaken(changes):
        queue.redeliver("message-1")
        table.leases.grant(queue.receive(1, 0)[0])
        change(changes)
        return {0: "ReceiptHandleIsInvalid"}

    queue.change_visibility = overtaken
    table.pass_time(35)
    assert lease.lost is None


def test_a_lost_lease_may_be_closed_twice(table):
    """The drain hands the message back just as its handler ends."""
    (lease,) = table.grant()
    table.leases.lose(lease, "expired")
    table.leases.close(lease)
    table.leases.close(lease)
    assert len(table.leases) == 0


def test_an_old_lease_does_not_close_its_successor(table):
    """Case 2: the message was lost and received again."""
    old = table.leases.grant(a_message())
    table.leases.lose(old, "expired")
    table.leases.grant(a_message(receive_count=2))
    table.leases.close(old)
    assert len(table.leases) == 1


def test_the_age_of_the_oldest_running_handler_is_known(table):
    first, second, _waiting = table.grant(3)
    assert table.leases.oldest_running() == 0
    table.leases.start(first)
    table.clock.advance(7)
    table.leases.start(second)
    table.clock.advance(3)
    assert table.leases.oldest_running() == 10


def test_a_late_tick_is_measured(table):
    table.clock.advance(12)
    table.leases.renew()
    assert table.sample("messaging_lease_lateness_seconds") == 7


def test_a_process_that_was_frozen_says_so_once(table):
    table.grant()
    stalls = partial(table.sample, "messaging_process_stalls_total")
    assert stalls() == 0

    table.clock.advance(65 + table.leases.tick)
    with capture_logs() as lines:
        table.leases.renew()
        table.clock.advance(table.leases.tick)
        table.leases.renew()

    (line,) = [line for line in lines if line["event"] == "process.stalled"]
    assert (line["seconds"], line["messages"], line["log_level"]) == (65, 1, "warning")
    assert stalls() == 1


def test_a_tick_that_is_a_little_late_is_not_worth_a_line(table):
    table.clock.advance(STALL - 0.1 + table.leases.tick)
    with capture_logs() as lines:
        table.leases.renew()

    assert lines == []
    assert table.sample("messaging_process_stalls_total") == 0


@pytest.mark.parametrize(
    ("reason", "level"), [("expired", "warning"), ("taken", "warning"), (HUNG, "error")]
)
def test_a_lost_lease_names_its_event_and_says_what_happens(reason, level):
    table = Table(look=peek)
    lease = table.leases.grant(a_message(an_envelope(an_order(), event_id="event-1")))
    with capture_logs() as lines:
        table.leases.lose(lease, reason)

    (line,) = lines
    assert (line["event"], line["reason"], line["log_level"]) == ("lease.lost", reason, level)
    assert (line["eventId"], line["orderId"]) == ("event-1", "order-1")
    assert line["effect"].startswith("SQS delivers the message again")


def test_a_sweep_of_many_slow_requests_does_not_count_as_stuck(table):
    """SQS does not answer: each batch times out, but the thread is alive."""
    table.grant(110)
    ages = []

    def hole(_changes):
        table.clock.advance(5.0)
        ages.append(table.clock() - table.leases.last_tick)
        raise OUTAGE

    table.queue.change_visibility = hole
    table.pass_time(50)
    assert len(ages) > 10
    assert max(ages) == 5.0
