"""One worker without threads: a test takes its steps, on a virtual clock.

Its parts are those of production, connected by ``workers.runtime.assembly``.
"""

from collections.abc import Sequence
from queue import Empty

from support.builders import a_payment, an_envelope, an_order
from support.fakes import FakeClock, FakeQueue, FakeStore, FakeTopic
from workers.events import OrderCreated, PaymentCompleted, decode
from workers.runtime.acks import LINGER
from workers.runtime.assembly import Clock, Config, Ports, assemble
from workers.runtime.handler import Handlers, handles, handles_batch
from workers.runtime.lease import UNSETTLED
from workers.runtime.leases import HANDLER_TIMEOUT
from workers.runtime.memory import INBOX_RETENTION
from workers.runtime.ports import Transaction
from workers.topology import MAX_RECEIVE_COUNT

VISIBILITY = 60
MAX_EVENT_AGE = INBOX_RETENTION.total_seconds()


class RestlessClock(FakeClock):
    """Moves forward at every look, so that no wait takes real time."""

    def __init__(self, step=1.0):
        super().__init__()
        self._step = step

    def __call__(self):
        self.advance(self._step)
        return super().__call__()


class Service:
    """Charges orders as told: ``act`` is called in the handler, and may raise.

    The effect is counted in the document ``effect#<order id>``.
    """

    def __init__(self, act=None):
        self.act = act or (lambda _order: None)
        self.handled = []

    @handles
    def charge(self, order: OrderCreated, tx: Transaction) -> PaymentCompleted:
        self.handled.append(order.order_id)
        self.act(order)
        tx.add(f"effect#{order.order_id}", {"times": 1})
        return a_payment(order_id=order.order_id)


class Counting:
    """Counts orders as told, several at once: each by itself, and all in the document ``total``."""

    def __init__(self, act=None):
        self.act = act or (lambda _order: None)
        self.calls = []  # the orders of each call
        self.tx = None  # of the last call

    @handles_batch
    def count(self, orders: Sequence[OrderCreated], tx: Transaction) -> None:
        self.calls.append([order.order_id for order in orders])
        self.tx = tx
        for order in orders:
            tx.add(f"effect#{order.order_id}", {"times": 1})
            tx.add("total", {"orders": 1})
            self.act(order)


class Harness:
    """A worker of one service; ``restart`` gives a second process on the same world."""

    def __init__(
        self,
        service=None,
        *,
        name="payment",
        queue=None,
        topic=None,
        store=None,
        roster=None,
        clock=None,
        concurrency=10,
        max_attempts=3,
        visibility_timeout=VISIBILITY,
        handler_timeout=HANDLER_TIMEOUT,
        rest=None,
        sleep=None,
        decode=decode,
        spans=None,
        fifo=False,
        sign=None,
        payloads=None,
        max_event_age=MAX_EVENT_AGE,
    ):
        """``sleep`` and ``rest`` advance the clock, unless workers share it (scheduler.py)."""
        self.waits = {"sleep": sleep, "rest": rest}
        self.clock = clock or FakeClock()
        self.queue = queue
        if queue is None:  # not "or", here and below: an empty queue is false
            self.queue = FakeQueue(
                clock=self.clock,
                visibility_timeout=visibility_timeout,
                max_receives=MAX_RECEIVE_COUNT,
                fifo=fifo,
            )
        self.topic = FakeTopic() if topic is None else topic
        self.store = FakeStore() if store is None else store
        self.roster = roster
        self.service = service or Service()
        self.decode = decode
        self.spans = spans
        self.payloads = payloads
        self.parts = assemble(
            Handlers(self.service),
            decode,
            Ports(
                self.queue, self.topic, self.store, roster=roster, spans=spans, payloads=payloads
            ),
            Config(
                service=name,
                worker="worker-1",
                version="version-1",
                concurrency=concurrency,
                max_attempts=max_attempts,
                max_receives=MAX_RECEIVE_COUNT,
                receive_wait=20,
                receive_linger=0,
                protect_after=60,
                handler_timeout=handler_timeout,
                max_event_age=max_event_age,
            ),
            Clock(
                now=self.clock,
                utcnow=self.clock.now,
                sleep=sleep or self.clock.advance,
                rest=rest or self._rest,
            ),
            sign=sign,
        )
        self.telemetry = self.parts.telemetry
        self.permits = self.parts.permits
        self.isolation = self.parts.isolation
        self.admission = self.parts.admission
        self.leases = self.parts.leases
        self.acks = self.parts.acks
        self.breakers = self.parts.breakers
        self.poller = self.parts.poller
        self.consumer = self.parts.consumer
        self.consume = self.parts.consume
        self.switch = self.parts.switch
        self.reporter = self.parts.reporter

    def send(self, *order_ids):
        """Put one order.created per id into the queue; returns the message ids."""
        return [
            self.queue.send(
                an_envelope(an_order(order_id=order_id), event_id=f"event-{order_id}").encode()
            )
            for order_id in order_ids
        ]

    def receive(self):
        """Poll once if there are permits; return whether it did."""
        free = self.permits.concurrency + self.permits.read_ahead - self.permits.held
        if self.permits.paused or free <= 0:
            return False
        self.poller.poll(self.permits.take())
        return True

    def next_lease(self):
        """Take the next admitted message, as a handler thread does; None if there is none."""
        try:
            return self.poller.work.get_nowait()
        except Empty:
            return None

    def work(self):
        """Handle everything that was admitted; return the number of messages."""
        count = 0
        while (lease := self.next_lease()) is not None:
            self.consume(lease)
            count += 1
        return count

    def settle(self):
        """Send the settlements that linger."""
        self.clock.advance(LINGER)
        self.acks.flush()

    def tick(self, seconds):
        """Advance the clock, doing what the lease and ack threads would do meanwhile."""
        until = self.clock() + seconds
        while self.clock() < until:
            self.clock.advance(min(self.leases.tick, until - self.clock()))
            self.leases.renew()
            self.acks.flush()

    def round(self):
        """Receive, handle, settle."""
        self.receive()
        count = self.work()
        self.settle()
        return count

    def run_dry(self, rounds=40, pause=900):
        """Repeat until the queue is empty, waiting for retries."""
        for _ in range(rounds):
            self.round()
            if len(self.queue) == 0 and self.acks.backlog == 0:
                return
            self.tick(1)
            if self.queue.deliverable == 0:
                self.clock.advance(pause)
                self.leases.renew()
                self.acks.flush()
        raise AssertionError(f"{len(self.queue)} messages remain after {rounds} rounds")

    def restart(self, service=None):
        """Start another process on the same queue, topic and store."""
        return Harness(
            service or self.service,
            **self.waits,
            queue=self.queue,
            topic=self.topic,
            store=self.store,
            roster=self.roster,
            clock=self.clock,
            concurrency=self.parts.config.concurrency,
            handler_timeout=self.parts.config.handler_timeout,
            decode=self.decode,
            spans=self.spans,
            payloads=self.payloads,
        )

    def _rest(self, condition, seconds):
        if seconds is None:  # only another thread can end this wait
            condition.wait()
        else:
            self.tick(seconds)

    def unsettled(self):
        """List the leases whose messages have no settlement yet."""
        leases = self.leases._leases.values()  # noqa: SLF001 - only tests look at all of them
        return [lease for lease in leases if lease.state in UNSETTLED]

    def attempts(self, message_id="message-1"):
        """Count the attempts on record for a message."""
        return len(self.store.attempts(message_id).attempts)

    def effects(self, order_id="order-1"):
        """Count how often an order's effect was committed."""
        return self.store.documents.get(f"effect#{order_id}", {}).get("times", 0)

    def sample(self, name, **labels):
        """Read a metric; 0 if it was never set."""
        labels = {
            "service": self.parts.config.service,
            "messaging_destination_name": self.queue.name,
        } | labels
        return self.telemetry.registry.get_sample_value(f"messaging_{name}", labels) or 0
