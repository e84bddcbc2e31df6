"""An event is handled once; a repeat returns the outcomes recorded the first time."""

from datetime import UTC, datetime

import pytest
from support.builders import a_message, a_payment, a_shipment, an_envelope, an_order
from support.fakes import FakeClock, FakeStore
from support.fakes.clock import START
from support.harness import Harness, Service

from workers.events import InventoryLow, InventoryReserved, OrderCreated, PaymentCompleted, decode
from workers.runtime.errors import Conflict, LeaseLost, TooOld, Unavailable
from workers.runtime.handler import Handlers, handles
from workers.runtime.inbox import CONFLICT_TRIES, LONGEST_WAIT, Inbox
from workers.runtime.ports import Transaction


class Once:
    """An inbox on a store, and deliveries for it."""

    def __init__(self, service=None, **changes):
        self.clock = FakeClock()
        self.store = FakeStore()
        self.service = service or Service()
        self.leases = Harness().leases
        self.inbox = Inbox(
            "payment",
            store=self.store,
            handlers=Handlers(self.service),
            clock=self.clock,
            sleep=self.clock.advance,
            **changes,
        )

    def deliver(self, envelope=None, *, receive_count=1, lost=None):
        envelope = envelope or an_envelope()
        lease = self.lease = self.leases.grant(a_message(envelope, receive_count))
        if lost:
            self.lose(lost)
        try:
            return self.inbox.handle(envelope, lease)
        finally:
            self.leases.settle(lease)
            self.leases.close(lease)

    def lose(self, reason):
        """Lose the lease of the delivery under way."""
        self.leases.lose(self.lease, reason)

    @property
    def effects(self):
        return self.store.documents.get("effect#order-1", {}).get("times", 0)


@pytest.fixture
def once():
    return Once()


def test_an_event_is_handled_and_recorded(once):
    record = once.deliver()
    assert not record.repeated
    assert [decode(outcome.body).data for outcome in record.outcomes] == [a_payment()]
    assert once.effects == 1


def test_a_redelivery_gets_the_same_outcomes_without_the_handler(once):
    first = once.deliver()
    again = once.deliver(receive_count=2)
    assert again.repeated
    assert again.outcomes == first.outcomes
    assert once.service.handled == ["order-1"]


def test_a_first_delivery_does_not_read_the_inbox(once):
    once.deliver()
    assert once.store.calls["recall"] == 0


def test_a_duplicate_under_another_message_id_has_no_second_effect(once):
    first = once.deliver()
    again = once.deliver()
    assert again.repeated
    assert again.outcomes == first.outcomes
    assert once.effects == 1


def test_the_same_id_from_another_source_is_another_event(once):
    once.deliver()
    once.deliver(an_envelope(source="another-api"))
    assert once.effects == 2


def test_a_commit_whose_reply_got_lost_counts_as_done(once):
    once.store.fail_next("commit", Unavailable("reset", dependency="dynamodb"), lost_reply=True)
    with pytest.raises(Unavailable):
        once.deliver()
    assert once.deliver(receive_count=2).repeated
    assert once.effects == 1


def test_outcomes_get_the_same_ids_when_repeated(once):
    """Case 50: ids derive from the cause."""
    ids = [outcome.event_id for outcome in once.deliver().outcomes]
    assert ids == [outcome.event_id for outcome in Once().deliver().outcomes]


def test_an_outcome_continues_the_story_of_its_cause(once):
    cause = an_envelope(event_id="event-7", correlation_id="event-1")
    outcome = decode(once.deliver(cause).outcomes[0].body)
    assert outcome.causation_id == "event-7"
    assert outcome.correlation_id == "event-1"
    assert outcome.source == "payment"


def test_two_outcomes_of_one_type_have_two_ids():
    class Twice:
        @handles
        def charge(
            self, order: OrderCreated, _tx: Transaction
        ) -> tuple[PaymentCompleted, PaymentCompleted]:
            return a_payment(order_id=order.order_id), a_payment(payment_id="pay-2")

    outcomes = Once(Twice()).deliver().outcomes
    assert len({outcome.event_id for outcome in outcomes}) == 2


class Creating:
    """Creates one document per order, and notes what it found."""

    def __init__(self):
        self.found = []

    @handles
    def create(self, order: OrderCreated, tx: Transaction) -> None:
        self.found.append(tx.get(f"effect#{order.order_id}", creating=True))
        tx.put(f"effect#{order.order_id}", {"times": 1})


def test_a_first_delivery_does_not_read_the_document_it_creates():
    once = Once(Creating())
    once.deliver()
    assert once.store.calls["get"] == 0
    assert once.effects == 1


def test_a_document_that_already_existed_is_found_by_the_retry():
    once = Once(Creating())
    once.store.seed("effect#order-1", {"times": 7})
    once.deliver()
    assert once.service.found == [None, {"times": 7}]


def test_a_redelivery_reads_before_it_creates():
    once = Once(Creating())
    once.store.seed("effect#order-1", {"times": 7})
    once.deliver(receive_count=2)
    assert once.service.found == [{"times": 7}]


def test_a_conflict_is_retried_in_process(once):
    once.store.fail_next("commit", Conflict("another was faster"), times=3)
    assert not once.deliver().repeated
    assert once.effects == 1
    assert once.store.attempt_logs == {}


def test_a_conflict_with_its_own_earlier_commit_returns_that_record(once):
    once.store.fail_next("commit", Conflict("cancelled"), lost_reply=True)
    assert once.deliver().repeated
    assert once.effects == 1


def test_endless_conflicts_are_given_up_after_a_moment(once):
    once.store.fail_next("commit", Conflict("another was faster"), times=99)
    before = once.clock()
    with pytest.raises(Conflict):
        once.deliver()
    assert once.store.calls["commit"] == CONFLICT_TRIES + 1
    assert once.clock() - before <= CONFLICT_TRIES * LONGEST_WAIT


def test_a_message_lost_while_it_waited_does_not_reach_its_handler(once):
    with pytest.raises(LeaseLost):
        once.deliver(lost="expired")
    assert once.service.handled == []


def test_a_lease_lost_in_the_handler_forbids_the_commit():
    """Case 48."""
    once = Once()
    once.service.act = lambda _order: once.lose("expired")
    with pytest.raises(LeaseLost, match="expired"):
        once.deliver()
    assert once.store.documents == {}
    assert once.store.records == {}


def test_a_lease_lost_after_the_last_use_of_the_transaction_forbids_the_commit_too():
    class Forgetful:
        @handles
        def reserve(
            self, _order: OrderCreated, _tx: Transaction
        ) -> InventoryReserved | InventoryLow | None:
            once.lose("expired")

    once = Once(Forgetful())
    with pytest.raises(LeaseLost):
        once.deliver()
    assert once.store.records == {}


def test_only_events_with_a_handler_are_accepted(once):
    assert once.inbox.takes(an_envelope(an_order()))
    assert not once.inbox.takes(an_envelope(a_shipment()))


def old_event(days=91):
    return an_envelope(occurred_at=datetime.fromtimestamp(START - days * 86_400, UTC))


def test_an_event_that_the_inbox_may_have_forgotten_has_no_effect(once):
    with pytest.raises(TooOld, match="90 days"):
        once.deliver(old_event())
    assert once.effects == 0
    assert once.service.handled == []


def test_an_event_that_the_inbox_must_remember_is_handled_without_a_look_into_it(once):
    once.deliver(old_event(days=89))
    assert once.effects == 1
    assert once.store.calls["recall"] == 0


def test_a_duplicate_of_an_old_event_that_the_inbox_remembers_gets_its_outcomes(once):
    """It was handled late, after a month in queues."""
    first = once.deliver(old_event(days=60))
    once.clock.advance(40 * 86_400)
    again = once.deliver(old_event(days=60))
    assert again.repeated
    assert again.outcomes == first.outcomes


def test_a_service_that_is_filled_from_the_archive_takes_older_events():
    once = Once(max_age=400 * 86_400)
    once.deliver(old_event(days=399))
    assert once.effects == 1
