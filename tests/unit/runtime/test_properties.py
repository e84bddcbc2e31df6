"""In any order of events, nothing is lost, nothing is done twice and nothing leaks."""

from collections import Counter

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.harness import VISIBILITY, Counting, Harness, Service

from workers.runtime.errors import Conflict, PermanentError, TransientError, Unavailable

MAX_ATTEMPTS = 3
FAILURES = {
    "bug": ValueError("a bug"),
    "transient": TransientError("broken", retry_after=5),
    "permanent": PermanentError("no"),
    "conflict": Conflict("others"),
    "outage": Unavailable("no answer", dependency="payment-gateway"),
}
CALLS = {
    "queue": ["receive", "delete", "change_visibility", "dead_letter"],
    "store": ["recall", "get", "commit", "attempts", "record_attempt", "excuse_attempt"],
    "topic": ["publish"],
}


class OneWorker(RuleBasedStateMachine):
    """A queue, and a worker that is sometimes replaced."""

    service = Service

    def __init__(self):
        super().__init__()
        self.plan = {}  # order id -> failures still to come
        self.sent = {}  # message id -> order id
        self.closed = Counter()  # leases by identity
        self.worker = self.watched(Harness(self.service(self.act), max_attempts=MAX_ATTEMPTS))

    def watched(self, worker):
        close = worker.leases.close

        def counted(lease):
            self.closed[lease] += 1
            close(lease)

        worker.leases.close = counted
        return worker

    def act(self, order):
        failures = self.plan[order.order_id]
        if failures:
            raise FAILURES[failures.pop()]

    @rule(failures=st.lists(st.sampled_from(sorted(FAILURES)), max_size=4))
    def send(self, failures):
        order_id = f"order-{len(self.sent)}"
        self.plan[order_id] = failures
        (message_id,) = self.worker.send(order_id)
        self.sent[message_id] = order_id

    @rule()
    def receive(self):
        self.worker.receive()

    @rule()
    def handle_one(self):
        if (lease := self.worker.next_lease()) is not None:
            self.worker.consume(lease)

    @rule()
    def settle(self):
        self.worker.settle()

    @rule(seconds=st.sampled_from([1, 10, VISIBILITY, 600]))
    def time_passes(self, seconds):
        self.worker.tick(seconds)

    @rule()
    def nothing_is_renewed_in_time(self):
        self.worker.clock.advance(VISIBILITY + 1)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def redeliver(self, data):
        message_id = data.draw(st.sampled_from(sorted(self.sent)))
        if message_id in self.in_queue():
            self.worker.queue.redeliver(message_id)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def duplicate(self, data):
        order_id = data.draw(st.sampled_from(sorted(set(self.sent.values()))))
        (message_id,) = self.worker.send(order_id)
        self.sent[message_id] = order_id

    @rule(
        call=st.sampled_from([(port, name) for port in CALLS for name in CALLS[port]]),
        times=st.integers(1, 8),
        lost_reply=st.booleans(),
    )
    def outage(self, call, times, lost_reply):
        port, name = call
        error = Unavailable("no answer", dependency=port)
        getattr(self.worker, port).fail_next(name, error, times=times, lost_reply=lost_reply)

    @rule(position=st.integers(0, 9), code=st.sampled_from(["Throttled", "ReceiptHandleIsInvalid"]))
    def entry_fails(self, position, code):
        self.worker.queue.fail_entries("delete", {position: code})

    @rule()
    def stop(self):
        """Hand back the rest, send the settlements, and let another worker take over."""
        for lease in self.worker.leases.hand_back():
            self.worker.acks.hide(lease, 0)
        self.worker.acks.close()
        self.worker.acks.flush()
        self.replace()

    @rule()
    def crash(self):
        self.replace()

    def replace(self):
        self.worker = self.watched(self.worker.restart())

    def in_queue(self):
        return self.worker.queue.message_ids

    def dead(self):
        return {letter.message.id for letter in self.worker.queue.dead_letters}

    @invariant()
    def no_message_is_lost(self):
        committed = {key.removeprefix("order-api#event-") for key in self.worker.store.records}
        safe = self.in_queue() | self.dead()
        for message_id, order_id in self.sent.items():
            assert message_id in safe or order_id in committed

    @invariant()
    def at_most_one_effect_per_event(self):
        assert all(self.worker.effects(order_id) <= 1 for order_id in set(self.sent.values()))

    @invariant()
    def one_set_of_outcomes_per_event(self):
        published = {outcome.event_id for outcome in self.worker.topic.published}
        committed = [
            outcome.event_id
            for record in self.worker.store.records.values()
            for outcome in record.outcomes
        ]
        assert published <= set(committed)

    @invariant()
    def permits_are_conserved(self):
        """Every permit held belongs to a waiting message; nothing polls between the steps."""
        assert self.worker.permits.held == self.worker.poller.work.qsize()

    @invariant()
    def every_unsettled_lease_waits_for_its_handler(self):
        assert len(self.worker.unsettled()) <= self.worker.poller.work.qsize()

    @invariant()
    def every_lease_is_resolved_once(self):
        assert all(times == 1 for times in self.closed.values())

    @invariant()
    def polling_is_paused_only_for_a_reason_that_goes_away(self):
        assert self.worker.permits.paused <= {"acks"}

    def teardown(self):
        """End all faults: every message is settled, exactly once."""
        for failures in self.plan.values():
            failures.clear()
        self.worker.run_dry(rounds=200)
        assert self.worker.acks.backlog == len(self.worker.leases) == self.worker.permits.held == 0
        for message_id, order_id in self.sent.items():
            assert (message_id in self.dead()) or self.worker.effects(order_id) == 1
        published = {outcome.event_id for outcome in self.worker.topic.published}
        for key, record in self.worker.store.records.items():
            order_id = key.removeprefix("order-api#event-")
            ended_dead = order_id in {self.sent[message_id] for message_id in self.dead()}
            assert ended_dead or {outcome.event_id for outcome in record.outcomes} <= published


OneWorker.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)
TestOneWorker = OneWorker.TestCase


class OneWorkerWithBatches(OneWorker):
    """A worker that handles messages together."""

    service = Counting

    @invariant()
    def counters_add_up(self):
        documents = self.worker.store.documents
        effects = sum(row["times"] for key, row in documents.items() if key.startswith("effect#"))
        assert documents.get("total", {"orders": 0})["orders"] == effects


OneWorkerWithBatches.TestCase.settings = settings(OneWorker.TestCase.settings, max_examples=40)
TestOneWorkerWithBatches = OneWorkerWithBatches.TestCase
