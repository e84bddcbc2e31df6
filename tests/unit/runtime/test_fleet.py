"""Several workers on one queue, with handlers interleaved at every call: nothing is lost or
done twice, every dead letter is deserved, and nothing leaks."""

from collections import Counter, deque
from contextlib import ExitStack
from dataclasses import replace
from itertools import count, permutations
from queue import Empty
from threading import Thread
from types import SimpleNamespace
from unittest.mock import patch

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.builders import an_envelope, an_order
from support.fakes import FakeClock, FakeQueue, FakeStore, FakeTopic
from support.harness import VISIBILITY, Counting, Harness, Service
from support.stepped_tasks import Killed, Task, here, pause, rest

from workers.runtime.errors import Conflict, FatalError, PermanentError, TransientError, Unavailable
from workers.runtime.isolation import LIMIT
from workers.runtime.settlement import Retry
from workers.runtime.worker import Deadline
from workers.topology import MAX_RECEIVE_COUNT

MAX_ATTEMPTS = 3
WORKERS = 3
CONCURRENCY = 3
GATEWAY = "payment-gateway"
MALFORMED = "malformed"

CALLS = {
    "queue": ["receive", "delete", "change_visibility", "dead_letter"],
    "store": ["recall", "commit", "attempts", "record_attempt", "excuse_attempt"],
    "topic": ["publish"],
}
PAUSES = {name for names in CALLS.values() for name in names} | {"commit_together"}
REQUESTS = [(port, name) for port in CALLS for name in CALLS[port]]
# Errors that happen once each while an order is handled. Two at most: three would dead-letter it.
PASSING = {
    "bug": lambda: ValueError("a bug"),
    "transient": lambda: TransientError("broken", retry_after=5),
    "conflict": lambda: Conflict("others"),
    "outage": lambda: Unavailable("no answer", dependency=GATEWAY),
    "kill": Killed,
}
COUNTED = {"bug", "transient"}
# Errors that happen every time.
LASTING = {
    "always a bug": lambda: ValueError("a bug"),
    "permanent": lambda: PermanentError("no"),
    "poison": Killed,
}
NUMBERS = st.integers(0, WORKERS - 1)
ERRORS = PASSING | LASTING
PLANS = st.one_of(
    st.just([]),
    st.lists(st.sampled_from(sorted(PASSING)), min_size=1, max_size=2),
    st.sampled_from([*sorted(LASTING), MALFORMED]),
)


class Port:
    """A port as seen by one process: each call pauses first, and may fail with an outage."""

    def __init__(self, name, port, fleet):
        self._name = name
        self._port = port
        self._fleet = fleet

    def __len__(self):
        return len(self._port)

    def __getattr__(self, attribute):
        value = getattr(self._port, attribute)
        if attribute not in PAUSES:
            return value

        def call(*args, **options):
            pause()
            self._fleet.meet(self._name)
            return value(*args, **options)

        return call


class Work:
    """A ``SimpleQueue`` whose ``get`` pauses the handler while the queue is empty."""

    def __init__(self):
        self._leases = deque()

    def qsize(self):
        return len(self._leases)

    def put(self, lease):
        if (task := here()) is not None and lease in task.leases:
            task.leases.remove(lease)
        self._leases.append(lease)

    def get(self):
        here().lease, here().leases = None, []
        while not self._leases:
            pause()
        here().lease = self.get_nowait()
        return here().lease

    def get_nowait(self):
        if not self._leases:
            raise Empty
        lease = self._leases.popleft()
        if lease is not None:
            here().leases.append(lease)
        return lease


class Process:
    """One worker whose handlers are threads of the real loop, run step by step."""

    def __init__(self, fleet):
        ports = {name: Port(name, getattr(fleet, name), fleet) for name in CALLS}
        self.fleet = fleet
        self.worker = worker = Harness(
            fleet.service,
            clock=fleet.clock,
            concurrency=CONCURRENCY,
            max_attempts=MAX_ATTEMPTS,
            rest=self._rest,
            sleep=lambda _seconds: pause(),
            **ports,
        )
        worker.poller.work = Work()
        clock = replace(worker.parts.clock, sleep=self._while_draining)
        self.loop = replace(worker.parts, clock=clock).loop()
        self.loops = self.loop.threads()
        self.tasks = [Task(self.loops[f"handler-{slot}"]) for slot in range(CONCURRENCY)]
        self.busy = True  # handlers continue during a drain
        self._watch()
        for task in self.tasks:
            task.lease, task.leases = None, []  # of a batch, all that it has
            task.step()

    def _rest(self, condition, seconds):
        """A handler pauses. Nothing else is a task: time passes for a poll that waits for slots."""
        if here() is None:
            self.fleet.clock.advance(seconds)
        else:
            rest(condition, seconds)

    def _watch(self):
        settle, hung = self.worker.consumer.settle, self.worker.admission.hung
        finish = self.worker.consumer.finish
        enter_alone = self.worker.isolation.enter_alone
        self.alone_since = {}
        self.closing = False

        def entered(lease):
            may_run = enter_alone(lease)
            self.alone_since[lease] = self.fleet.clock()
            return may_run

        def settled(lease, settlement):
            done = settle(lease, settlement)
            self.fleet.settled(lease, done)
            return done

        def finished(lease, *args):
            finish(lease, *args)
            here().leases.remove(lease)

        def given_up(lease):
            self.fleet.earned[lease.message.id] += 1
            hung(lease)

        close = self.worker.acks.close

        def closed():
            self.closing = True
            close()

        self.worker.isolation.enter_alone = entered
        self.worker.consumer.settle = settled
        self.worker.consumer.finish = finished
        self.worker.leases._on_hung = given_up  # noqa: SLF001 - no other way to hear of it
        self.worker.acks.close = closed

    @property
    def under_way(self):
        """What handlers do at this moment: an entry for each message."""
        busy = [task for task in self.tasks if not task.dead]
        return [SimpleNamespace(lease=lease) for task in busy for lease in task.leases]

    def step(self, slot, times=1):
        """Run a handler for ``times`` steps; raises ``Killed`` if one kills the process."""
        for _ in range(times):
            self.tasks[slot].step()

    def look_after(self):
        """Do the periodic work of the lease and ack threads."""
        self.worker.leases.renew()
        self.worker.acks.flush()

    def stop(self, *, busy):
        """Drain as on SIGTERM, then end."""
        self.busy = busy
        deadline = Deadline(30, now=self.fleet.clock)
        deadline.start()
        self.loop.drain(deadline)
        assert not self.worker.unsettled()  # each was settled or handed back
        self.fleet.gone(self)

    def _while_draining(self, _seconds):
        if "poller-0" in self.loops:
            self.loops.pop("poller-0")()  # has no poll open, so it ends at once
        self.fleet.clock.advance(1)
        for slot in range(CONCURRENCY) if self.busy else ():
            self.step(slot)
        self.look_after()
        if self.closing and self.worker.acks.backlog == 0:
            self.loops["ack"]()


class InlineThread(Thread):
    """A thread that has ended when ``start`` returns."""

    def start(self):
        super().start()
        self.join()


class Fleet(RuleBasedStateMachine):
    """A queue, and workers that come and go."""

    FIFO = False

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(patch("workers.runtime.admission.Thread", InlineThread))
        self.contention = self.stack.enter_context(ExitStack())
        self.contended = False
        self.clock = FakeClock()
        self.queue = FakeQueue(
            clock=self.clock,
            visibility_timeout=VISIBILITY,
            max_receives=MAX_RECEIVE_COUNT,
            fifo=self.FIFO,
        )
        if not self.FIFO:
            self.queue.unordered(seed=7)
        self.store = FakeStore()
        self.topic = FakeTopic()
        self.service = Service(self.act)
        self.down = {}  # port or dependency -> error
        self.refused = 0  # one in this many calls fails; 0 for none
        self.met = count(1)
        self.plan = {}  # order id -> its errors: a deque, or a name from LASTING
        self.sent = {}  # message id -> order id, or MALFORMED
        self.earned = Counter()  # message id -> the most attempts it may have on record
        self.wrong = []  # violations that handlers saw
        self.crashed = {}  # message id -> the delivery whose process crashed
        self.processes = [Process(self) for _ in range(WORKERS)]

    # The environment of the workers.

    def act(self, order):
        """Handle an order, as planned."""
        lease = here().lease
        self.check_start(lease)
        self.check_order(lease)
        pause()
        self.meet(GATEWAY)
        plan = self.plan[order.order_id]
        what = plan if isinstance(plan, str) else plan.popleft() if plan else None
        if what in COUNTED or what == "always a bug":
            self.earned[lease.message.id] += 1
        if what is not None:
            raise ERRORS[what]()  # noqa: RSE102 - each time another

    def check_start(self, lease):
        """Check that a message that may have crashed a worker is recorded, and runs alone.

        An error raised here would count as the handler's, so it is noted and raised later.
        """
        message = lease.message
        suspect = self.crashed.get(message.id) == message.receive_count - 1
        if suspect and message.receive_count not in self.open_starts(message.id):
            self.wrong.append(f"{message.id} is not on record")
        for process in self.processes:
            is_recorded = process.worker.admission.is_recorded
            running = [task.lease for task in process.under_way]
            running = [x for x in running if x.started_at is not None and x.lost is None]
            for one, other in permutations(running, 2):
                late = other.started_at - process.alone_since.get(one, 0) >= LIMIT
                if is_recorded(one) and (is_recorded(other) or not late):
                    self.wrong.append(f"{one.message.id} does not run alone")

    def check_order(self, lease):
        """Check that what was sent before it in its group has ended; see ``check_start``."""

    def open_starts(self, message_id):
        known = self.store.attempt_logs.get(message_id)
        return {a.receive_count for a in known.attempts if not a.error} if known else set()

    def meet(self, name):
        if error := self.down.get(name):
            raise error
        if self.refused and next(self.met) % self.refused == 0:
            raise Unavailable("busy", dependency=name)

    def settled(self, lease, settlement):
        message = lease.message
        if message.receive_count not in self.open_starts(message.id):
            return
        # Its start could not be excused, so it must not be postponed with the start on record.
        assert not isinstance(settlement, Retry)
        self.earned[message.id] += 1

    def gone(self, process, *, crashed=False):
        """Replace a process that has ended with a new one."""
        for task in process.tasks:  # including the one that ended it
            if task.lease is None:
                continue
            message = task.lease.message
            if message.receive_count in self.open_starts(message.id):
                self.earned[message.id] += 1
            if crashed and task.lease.started_at is not None:
                self.crashed[message.id] = message.receive_count
        for task in process.tasks:
            task.kill()
        self.processes[self.processes.index(process)] = Process(self)

    def survive(self, process, action, *args, **options):
        """Let a process do something that may kill it."""
        try:
            action(*args, **options)
        except Killed:
            self.gone(process, crashed=True)

    # The rules.

    @rule(plans=st.lists(PLANS, min_size=1, max_size=5))
    def send(self, plans):
        for plan in plans:
            if plan == MALFORMED:
                self.sent[self.queue.send('{"half": ', group=self.group())] = MALFORMED
            else:
                self.put(plan if isinstance(plan, str) else deque(plan))

    def put(self, plan):
        order_id = f"order-{len(self.plan)}"
        self.plan[order_id] = plan
        self.send_event(order_id)

    def send_event(self, order_id):
        envelope = an_envelope(an_order(order_id=order_id), event_id=f"event-{order_id}")
        self.sent[self.queue.send(envelope.encode(), group=self.group())] = order_id

    def group(self):
        """Name the group of the next message."""
        return ""

    @precondition(lambda self: self.plan and not self.FIFO)
    @rule(data=st.data())
    def duplicate(self, data):
        self.send_event(data.draw(st.sampled_from(sorted(self.plan))))

    @rule(number=NUMBERS)
    def receive(self, number):
        self.processes[number].worker.receive()

    @rule(
        number=NUMBERS,
        slot=st.integers(0, CONCURRENCY - 1),
        times=st.integers(1, 8),
    )
    def handle(self, number, slot, times):
        process = self.processes[number]
        self.survive(process, process.step, slot, times)

    @rule(number=NUMBERS, rounds=st.integers(1, 6))
    def work(self, number, rounds):
        """One worker works for several rounds."""
        process = self.processes[number]
        self.survive(process, self.go_on, process, rounds)

    @rule(rounds=st.integers(1, 6))
    def all_work(self, rounds):
        for _ in range(rounds):
            for process in list(self.processes):
                self.survive(process, self.go_on, process, 1)
            self.tick(2)

    def go_on(self, process, rounds):
        for _ in range(rounds):
            process.worker.receive()
            for slot in range(CONCURRENCY):
                process.step(slot, times=6)
            self.clock.advance(0.2)
            process.look_after()

    @rule(seconds=st.sampled_from([1, 10, VISIBILITY + 10, 600]))
    def time_passes(self, seconds):
        self.tick(seconds)

    def tick(self, seconds):
        for _ in range(max(1, seconds // 5)):
            self.clock.advance(min(5, seconds))
            for process in self.processes:
                process.look_after()

    @rule(number=NUMBERS)
    def a_worker_does_nothing_in_time(self, number):
        """The worker is frozen for longer than its visibility timeout."""
        for process in self.processes:
            if process is not self.processes[number]:
                process.worker.leases.renew()
        self.clock.advance(VISIBILITY / 2)
        for process in self.processes:
            if process is not self.processes[number]:
                process.worker.leases.renew()
        self.clock.advance(VISIBILITY / 2 + 1)

    @precondition(lambda self: self.sent and not self.FIFO)
    @rule(data=st.data())
    def redeliver(self, data):
        """SQS delivers a message again, even if it was deleted."""
        message_id = data.draw(st.sampled_from(sorted(self.sent)))
        if message_id not in self.dead():
            self.queue.redeliver(message_id)

    @precondition(lambda self: not self.FIFO)
    @rule(limit=st.one_of(st.integers(0, 2), st.none()))
    def next_receive_is_odd(self, limit):
        """The next receive returns few messages, or one of them twice."""
        if limit is None:
            self.queue.repeat()
        else:
            self.queue.shorten(limit)

    @rule(name=st.sampled_from([*CALLS, GATEWAY]), denied=st.booleans())
    def outage_begins(self, name, denied):
        self.down[name] = (
            FatalError("access denied")
            if denied and name in ("store", "topic")
            else Unavailable("no answer", dependency=name)
        )

    @rule(share=st.integers(2, 5))
    def brown_out_begins(self, share):
        self.refused = share

    @precondition(lambda self: self.down or self.refused)
    @rule()
    def outages_end(self):
        self.down.clear()
        self.refused = 0

    @rule(call=st.sampled_from(REQUESTS), times=st.integers(1, 4), lost_reply=st.booleans())
    def calls_fail(self, call, times, lost_reply):
        port, name = call
        error = Unavailable("no answer", dependency=port)
        getattr(self, port).fail_next(name, error, times=times, lost_reply=lost_reply)

    @rule(code=st.sampled_from(["Throttled", "ReceiptHandleIsInvalid"]))
    def entries_fail(self, code):
        self.queue.fail_entries("delete", {0: code})
        self.topic.fail_entries({0: Unavailable("throttled", dependency="sns")})

    @precondition(lambda self: self.plan and not self.contended)
    @rule(data=st.data())
    def others_write_the_same_item(self, data):
        order_id = data.draw(st.sampled_from(sorted(self.plan)))
        self.contended = True
        tx = self.store.begin(f"others#{len(self.store.records)}")
        tx.add(f"effect#{order_id}", {"seen": 1})
        self.contention.enter_context(self.store.committing(tx))

    @precondition(lambda self: self.contended)
    @rule()
    def others_are_done(self):
        self.contention.close()
        self.contended = False

    @rule(number=NUMBERS, busy=st.booleans())
    def stop(self, number, busy):
        process = self.processes[number]
        self.survive(process, process.stop, busy=busy)

    @rule(number=NUMBERS)
    def crash(self, number):
        self.gone(self.processes[number], crashed=True)

    # The invariants.

    def dead(self):
        return {letter.message.id for letter in self.queue.dead_letters}

    def effects(self, order_id):
        return self.store.documents.get(f"effect#{order_id}", {}).get("times", 0)

    def committed(self):
        return {key: r for key, r in self.store.records.items() if key.startswith("order-api#")}

    @invariant()
    def no_message_is_lost(self):
        done = {key.removeprefix("order-api#event-") for key in self.committed()}
        safe = self.queue.message_ids | self.dead()
        assert all(m in safe or order_id in done for m, order_id in self.sent.items())

    @invariant()
    def at_most_one_effect_per_event(self):
        assert all(self.effects(order_id) <= 1 for order_id in self.plan)

    @invariant()
    def nothing_is_published_that_is_not_committed(self):
        outcomes = {o.event_id for record in self.committed().values() for o in record.outcomes}
        assert {event.event_id for event in self.topic.sent} <= outcomes

    @invariant()
    def every_dead_letter_is_deserved_and_says_why(self):
        for letter in self.queue.dead_letters:
            assert letter.failure is not None
            assert letter.failure.reason
            assert self.is_to_die(letter.message.id)

    def is_to_die(self, message_id):
        order_id = self.sent[message_id]
        given_up = self.earned[message_id] >= MAX_ATTEMPTS
        return given_up or order_id == MALFORMED or self.plan[order_id] == "permanent"

    @invariant()
    def permits_are_conserved(self):
        for process in self.processes:
            here_now = process.worker.poller.work.qsize() + len(process.under_way)
            assert process.worker.permits.held == here_now

    @invariant()
    def every_handler_started_as_it_should(self):
        assert self.wrong == [], self.wrong

    @invariant()
    def what_waits_for_isolation_is_here(self):
        for process in self.processes:
            if not process.under_way:
                assert "suspect" not in process.worker.permits.paused

    def teardown(self):
        """End all faults: then every message is settled, within bounds."""
        try:
            self.contention.close()
            self.outages_end()
            for fake in (self.queue, self.store, self.topic):
                fake.forget_faults()
            self.drain()
            self.check_the_end()
        finally:
            for process in self.processes:
                for task in process.tasks:
                    task.kill()
            self.stack.close()

    def drain(self, rounds=400):
        for _ in range(rounds):
            for process in list(self.processes):
                self.survive(process, self.go_on, process, 2)
            if all(self.is_idle(process) for process in self.processes):
                if not len(self.queue):
                    return
                if not self.queue.deliverable:
                    self.tick(60)
                    self.clock.advance(900)
            else:
                self.tick(5)
        raise AssertionError(f"{len(self.queue)} messages are left after {rounds} rounds")

    def is_idle(self, process):
        waiting = process.worker.poller.work.qsize() + len(process.under_way)
        return waiting + process.worker.acks.backlog == 0

    def check_the_end(self):
        assert self.wrong == [], self.wrong
        for process in self.processes:
            worker = process.worker
            assert worker.permits.held == len(worker.leases) == worker.acks.backlog == 0
            assert not worker.permits.paused
        dead = self.dead()
        published = {event.event_id for event in self.topic.sent}
        for message_id, order_id in self.sent.items():
            if message_id in dead:
                continue
            assert order_id != MALFORMED
            assert not isinstance(self.plan[order_id], str)
            assert self.effects(order_id) == 1
            record = self.store.records[f"order-api#event-{order_id}"]
            assert {outcome.event_id for outcome in record.outcomes} <= published


Fleet.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, derandomize=True
)
TestFleet = Fleet.TestCase


class OrderedFleet(Fleet):
    """The same on a FIFO queue: what is handled of a group is handled in the order of the group."""

    FIFO = True
    GROUPS = 3

    def group(self):
        return f"group-{len(self.sent) % self.GROUPS}"

    def before(self, message_id):
        """List the messages of the same group that were sent before one."""
        sent = list(self.sent)
        place = sent.index(message_id)
        return sent[place % self.GROUPS : place : self.GROUPS]

    def open_before(self, message_id):
        done, dead = self.committed(), self.dead()
        return [
            m
            for m in self.before(message_id)
            if m not in dead and f"order-api#event-{self.sent[m]}" not in done
        ]

    def check_order(self, lease):
        if lease.lost is None and (earlier := self.open_before(lease.message.id)):
            self.wrong.append(f"{lease.message.id} overtook {earlier}")

    @invariant()
    def nothing_was_overtaken(self):
        done = self.committed()
        for message_id, order_id in self.sent.items():
            if f"order-api#event-{order_id}" in done:
                assert self.open_before(message_id) == []

    @invariant()
    def the_queue_bounds_what_is_in_hand(self):
        for process in self.processes:
            lanes = process.worker.parts.turns._groups  # noqa: SLF001 - nobody else looks at it
            assert len(lanes) <= self.GROUPS


OrderedFleet.TestCase.settings = settings(Fleet.TestCase.settings, max_examples=60)
TestOrderedFleet = OrderedFleet.TestCase


class FleetWithBatches(Fleet):
    """The same with a handler that takes several events at once; most of them are innocent."""

    @rule(good=st.integers(2, 8), bad=st.lists(PLANS, max_size=1), twice=st.booleans())
    def send(self, good, bad, twice):
        first = f"order-{len(self.plan)}"
        super().send([[]] * good + bad)
        if twice:
            self.send_event(first)

    def __init__(self):
        super().__init__()
        self.service = Counting(self.act)
        self.processes = [Process(self) for _ in range(WORKERS)]

    def act(self, order):
        task = here()
        (task.lease,) = (x for x in task.leases if self.sent[x.message.id] == order.order_id)
        try:
            super().act(order)
        except Exception as error:
            if len(task.leases) > 1 and type(error) in (ValueError, TransientError):
                self.earned[task.lease.message.id] -= 1  # in a batch, a failure is no attempt
            raise

    def gone(self, process, *, crashed=False):
        for task in process.tasks:
            for lease in task.leases[1:]:
                self.note(lease, crashed=crashed)
            task.lease = task.leases[0] if task.leases else None
        super().gone(process, crashed=crashed)

    def note(self, lease, *, crashed):
        """Note a message of a batch that ended with its process."""
        assert lease.message.receive_count not in self.open_starts(lease.message.id)
        if crashed and lease.started_at is not None:
            self.crashed[lease.message.id] = lease.message.receive_count

    @invariant()
    def counters_add_up(self):
        total = self.store.documents.get("total", {}).get("orders", 0)
        assert total == sum(self.effects(order_id) for order_id in self.plan)


FleetWithBatches.TestCase.settings = settings(Fleet.TestCase.settings, max_examples=80)
TestFleetWithBatches = FleetWithBatches.TestCase
