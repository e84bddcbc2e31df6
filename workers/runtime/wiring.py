"""How the parts of a receive loop fit together around its ports."""

from collections.abc import Callable
from datetime import UTC, datetime

from workers.envelope import Envelope, Event
from workers.runtime.acks import Acks
from workers.runtime.admission import Admission
from workers.runtime.breaker import Breakers
from workers.runtime.consumer import Consumer
from workers.runtime.handler import Handlers
from workers.runtime.inbox import Inbox
from workers.runtime.isolation import Isolation
from workers.runtime.leases import HANDLER_TIMEOUT, Leases
from workers.runtime.observability.health import Health
from workers.runtime.observability.telemetry import MeasuredQueue, Telemetry
from workers.runtime.permits import Permits
from workers.runtime.poller import Poller
from workers.runtime.ports import Queue, Store, Topic
from workers.runtime.protection import Protection, TaskAgent
from workers.runtime.publisher import Publisher
from workers.runtime.receive_loop import ReceiveLoop


def receive_loop(
    name: str,
    *,
    queue: Queue,
    topic: Topic,
    store: Store,
    handlers: Handlers,
    decode: Callable[[str], Envelope[Event]],
    visibility_timeout: float,
    concurrency: int,
    max_attempts: int,
    max_receives: int,
    receive_wait: float,
    receive_linger: float,
    protect_after: float,
    agent: TaskAgent | None,
    health: Health,
    worker: str = "",
) -> ReceiveLoop:
    """Wire the receive loop of one service. Times in seconds.

    ``visibility_timeout`` is what ``queue`` asks for when it receives. Without an ``agent`` the
    task is never protected from scale-in. ``worker`` names this process in records of attempts.
    """
    telemetry = Telemetry(queue.name)
    measured = MeasuredQueue(queue, telemetry)
    permits = Permits(concurrency)
    isolation = Isolation(permits)
    admission = Admission(
        store,
        isolation,
        max_attempts=max_attempts,
        worker=worker,
        utcnow=lambda: datetime.now(UTC),
    )
    leases = Leases(
        measured,
        visibility_timeout=visibility_timeout,
        telemetry=telemetry,
        on_hung=admission.hung,
    )
    acks = Acks(measured, leases, permits, telemetry=telemetry)
    breakers = Breakers(permits, telemetry=telemetry)
    poller = Poller(
        measured,
        permits=permits,
        leases=leases,
        acks=acks,
        telemetry=telemetry,
        wait=receive_wait,
        linger=receive_linger,
    )
    consumer = Consumer(
        queue=measured,
        topic=Publisher(topic),
        inbox=Inbox(name, store=store, handlers=handlers),
        admission=admission,
        permits=permits,
        leases=leases,
        acks=acks,
        breakers=breakers,
        telemetry=telemetry,
        decode=decode,
        max_attempts=max_attempts,
        max_receives=max_receives,
    )
    protection = None
    if agent is not None:
        protection = Protection(
            agent,
            protect_after=protect_after,
            handler_timeout=HANDLER_TIMEOUT,
            telemetry=telemetry,
        )
    loop = ReceiveLoop(
        poller=poller,
        consumer=consumer,
        admission=admission,
        isolation=isolation,
        permits=permits,
        leases=leases,
        acks=acks,
        breakers=breakers,
        protection=protection,
        telemetry=telemetry,
        receive_wait=receive_wait,
    )
    health.registry = telemetry.registry
    health.problems, health.obstacles = loop.problems, loop.obstacles
    return loop
