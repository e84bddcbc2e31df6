"""Assembles the receive loop of one service from its ports, its numbers and a clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Condition

from workers.envelope import Decode, Event, Sign
from workers.glimpse import glimpse
from workers.runtime.acks import Acks
from workers.runtime.admission import Admission
from workers.runtime.batch_consumer import BatchConsumer
from workers.runtime.breaker import Breakers
from workers.runtime.consumer import Consumer
from workers.runtime.failures import Failures
from workers.runtime.groups import Groups, Turns
from workers.runtime.handler import Handlers
from workers.runtime.heartbeat import Reporter
from workers.runtime.inbox import Inbox
from workers.runtime.isolation import Isolation
from workers.runtime.lease import Lease
from workers.runtime.leases import HANDLER_TIMEOUT, Leases
from workers.runtime.memory import INBOX_RETENTION
from workers.runtime.observability.spans import Spans
from workers.runtime.observability.telemetry import MeasuredQueue, Telemetry
from workers.runtime.pause import PauseSwitch
from workers.runtime.payloads import LargeEvents
from workers.runtime.permits import Permits
from workers.runtime.poller import Poller
from workers.runtime.ports import Payloads, Queue, Store, Topic
from workers.runtime.protection import Protection, TaskAgent
from workers.runtime.publisher import Publisher
from workers.runtime.receive_loop import ReceiveLoop
from workers.runtime.roster import Roster


def _utcnow() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Ports:
    """What a receive loop reaches outside its process.

    Without an ``agent`` the task is never protected from scale-in; without a ``roster`` the worker
    does not report, and cannot be paused; without ``spans`` there are no traces; without
    ``payloads`` an event that does not fit into a message is refused.
    """

    queue: Queue
    topic: Topic
    store: Store
    agent: TaskAgent | None = None
    roster: Roster | None = None
    spans: Spans | None = None
    payloads: Payloads | None = None


@dataclass(frozen=True)
class Config:
    """The names and numbers of a receive loop. Times in seconds.

    The visibility timeout is not among them: the queue has it.
    """

    service: str
    worker: str  # names this process in records
    version: str  # of the code, in records
    concurrency: int  # handlers at a time
    max_attempts: int
    max_receives: int  # after which SQS itself dead-letters a message
    receive_wait: float  # of a poll that finds nothing
    receive_linger: float  # at most, after a poll
    protect_after: float  # in a handler, until the task is protected from scale-in
    handler_timeout: float = HANDLER_TIMEOUT
    task: str = ""  # the ECS task, in heartbeats
    max_event_age: float = INBOX_RETENTION.total_seconds()  # of an event that is handled


@dataclass(frozen=True)
class Clock:
    """How a receive loop tells the time and waits. A test lets time fly instead."""

    now: Callable[[], float] = time.monotonic
    utcnow: Callable[[], datetime] = _utcnow
    sleep: Callable[[float], None] = time.sleep
    # Waits on a condition, up to a number of seconds; None waits for a change.
    rest: Callable[[Condition, float | None], object] = Condition.wait


@dataclass(frozen=True)
class Assembly:
    """The parts of a receive loop, connected. None of them has a thread yet."""

    config: Config
    clock: Clock
    telemetry: Telemetry
    permits: Permits
    isolation: Isolation
    admission: Admission
    failures: Failures
    leases: Leases
    acks: Acks
    turns: Turns
    breakers: Breakers
    poller: Poller
    consumer: Consumer
    consume: Callable[[Lease], None]  # alone, or with others that wait
    protection: Protection | None
    switch: PauseSwitch
    reporter: Reporter | None

    def loop(self) -> ReceiveLoop:
        """Make the loop that runs the parts in threads."""
        return ReceiveLoop(
            poller=self.poller,
            consume=self.consume,
            admission=self.admission,
            isolation=self.isolation,
            permits=self.permits,
            leases=self.leases,
            acks=self.acks,
            turns=self.turns,
            breakers=self.breakers,
            protection=self.protection,
            switch=self.switch,
            reporter=self.reporter,
            telemetry=self.telemetry,
            receive_wait=self.config.receive_wait,
            handler_timeout=self.config.handler_timeout,
            look=self.failures.look,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )


REAL_TIME = Clock()


def assemble(
    handlers: Handlers,
    decode: Decode[Event],
    ports: Ports,
    config: Config,
    clock: Clock = REAL_TIME,
    *,
    sign: Sign | None = None,
) -> Assembly:
    """Connect the parts of a receive loop that gives its messages, decoded, to ``handlers``.

    ``sign`` adds a signature to their outcomes.
    """
    now, rest = clock.now, clock.rest
    telemetry = Telemetry(
        ports.queue.name,
        service=config.service,
        slots=config.concurrency,
        event_types=handlers.consumes,
    )
    queue = MeasuredQueue(ports.queue, telemetry)
    # Renewals of leases have no spans.
    traced = ports.spans.queue(queue) if ports.spans else queue
    permits = Permits(config.concurrency, now=now, rest=rest)
    isolation = Isolation(permits, now=now, rest=rest)
    failures = Failures(
        ports.store,
        look=partial(glimpse, subject=handlers.subject_fields),
        worker=config.worker,
        version=config.version,
        telemetry=telemetry,
        utcnow=clock.utcnow,
        now=now,
    )
    admission = Admission(
        ports.store,
        isolation,
        failures,
        max_attempts=config.max_attempts,
        worker=config.worker,
        utcnow=clock.utcnow,
    )
    leases = Leases(
        queue,
        telemetry=telemetry,
        handler_timeout=config.handler_timeout,
        on_hung=admission.hung,
        look=failures.look,
        now=now,
    )
    acks = Acks(traced, leases, permits, telemetry=telemetry, now=now)

    def start(lease: Lease) -> None:
        poller.work.put(lease)

    turns = Turns(
        Groups(),
        start=start,
        leases=leases,
        acks=acks,
        admission=admission,
        telemetry=telemetry,
    )
    breakers = Breakers(permits, telemetry=telemetry, now=now, rest=rest)
    poller = Poller(
        traced,
        permits=permits,
        leases=leases,
        acks=acks,
        turns=turns,
        telemetry=telemetry,
        wait=config.receive_wait,
        linger=config.receive_linger,
        now=now,
    )
    large = (
        LargeEvents(ports.payloads, decode, clock.utcnow) if ports.payloads is not None else None
    )
    inbox = Inbox(
        config.service,
        store=ports.store,
        handlers=handlers,
        worker=config.worker,
        version=config.version,
        clock=lambda: clock.utcnow().timestamp(),
        sleep=clock.sleep,
        spans=ports.spans,
        sign=sign,
        max_age=config.max_event_age,
        large=large,
    )
    consumer = Consumer(
        queue=traced,
        topic=Publisher(ports.topic, now=now, rest=rest),
        inbox=inbox,
        admission=admission,
        failures=failures,
        permits=permits,
        leases=leases,
        acks=acks,
        turns=turns,
        breakers=breakers,
        telemetry=telemetry,
        decode=decode,
        max_attempts=config.max_attempts,
        max_receives=config.max_receives,
        now=now,
        spans=ports.spans,
        large=large,
    )
    consume = consumer.consume
    if handlers.has_batches:
        consume = BatchConsumer(
            consumer,
            poller,
            inbox=inbox,
            admission=admission,
            breakers=breakers,
            now=now,
            spans=ports.spans,
        ).consume
    protection = None
    if ports.agent is not None:
        protection = Protection(
            ports.agent,
            protect_after=config.protect_after,
            handler_timeout=config.handler_timeout,
            telemetry=telemetry,
            now=now,
        )
    switch = PauseSwitch(permits, telemetry=telemetry, now=now, utcnow=clock.utcnow)
    reporter = None
    if ports.roster is not None:
        reporter = Reporter(
            ports.roster,
            switch,
            worker=config.worker,
            version=config.version,
            task=config.task,
            leases=leases,
            permits=permits,
            telemetry=telemetry,
            now=now,
            utcnow=clock.utcnow,
        )
    return Assembly(
        config=config,
        clock=clock,
        telemetry=telemetry,
        permits=permits,
        isolation=isolation,
        admission=admission,
        failures=failures,
        leases=leases,
        acks=acks,
        turns=turns,
        breakers=breakers,
        poller=poller,
        consumer=consumer,
        consume=consume,
        protection=protection,
        switch=switch,
        reporter=reporter,
    )
