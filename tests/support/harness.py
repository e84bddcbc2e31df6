"""One worker without threads: a test takes its steps, on a virtual clock."""

from queue import Empty

from support.builders import a_payment, an_envelope, an_order
from support.fakes import FakeClock, FakeQueue, FakeStore, FakeTopic
from workers.events import OrderCreated, PaymentCompleted, decode
from workers.runtime.acks import LINGER, Acks
from workers.runtime.admission import Admission
from workers.runtime.breaker import Breakers
from workers.runtime.consumer import Consumer
from workers.runtime.handler import Handlers, handles
from workers.runtime.inbox import Inbox
from workers.runtime.isolation import Isolation
from workers.runtime.leases import Leases
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits
from workers.runtime.poller import Poller
from workers.runtime.ports import Transaction
from workers.topology import MAX_RECEIVE_COUNT

VISIBILITY = 60


class RestlessClock(FakeClock):
    """Moves whenever somebody looks at it, so that nobody has to wait."""

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
        clock=None,
        concurrency=10,
        max_attempts=3,
        visibility_timeout=VISIBILITY,
        handler_timeout=900.0,
        rest=None,
        sleep=None,
        decode=decode,
    ):
        """``sleep`` and ``rest`` let time fly, unless several workers share it (turns.py)."""
        self.waits = {"sleep": sleep, "rest": rest}
        self.clock = clock or FakeClock()
        self.queue = queue
        if queue is None:  # not "or", here and below: an empty queue is false
            self.queue = FakeQueue(
                clock=self.clock,
                visibility_timeout=visibility_timeout,
                max_receives=MAX_RECEIVE_COUNT,
            )
        self.topic = FakeTopic() if topic is None else topic
        self.store = FakeStore() if store is None else store
        self.service = service or Service()
        self.handler_timeout = handler_timeout
        self.decode = decode
        self.telemetry = Telemetry(self.queue.name)
        self.permits = Permits(concurrency, now=RestlessClock())
        rest = rest or (lambda _condition, seconds: self.tick(seconds))
        self.isolation = Isolation(self.permits, now=self.clock, rest=rest)
        self.admission = Admission(
            self.store,
            self.isolation,
            max_attempts=max_attempts,
            worker="worker-1",
            utcnow=self.clock.now,
        )
        self.leases = Leases(
            self.queue,
            visibility_timeout=visibility_timeout,
            handler_timeout=handler_timeout,
            telemetry=self.telemetry,
            on_hung=self.admission.hung,
            now=self.clock,
        )
        self.acks = Acks(
            self.queue, self.leases, self.permits, telemetry=self.telemetry, now=self.clock
        )
        self.breakers = Breakers(
            self.permits,
            telemetry=self.telemetry,
            now=self.clock,
            rest=rest,
        )
        self.poller = Poller(
            self.queue,
            permits=self.permits,
            leases=self.leases,
            acks=self.acks,
            telemetry=self.telemetry,
            wait=20,
            linger=0,
            now=self.clock,
            uniform=lambda _low, _high: 0.0,
        )
        self.consumer = Consumer(
            queue=self.queue,
            topic=self.topic,
            inbox=Inbox(
                name,
                store=self.store,
                handlers=Handlers(self.service),
                sleep=sleep or self.clock.advance,
            ),
            admission=self.admission,
            permits=self.permits,
            leases=self.leases,
            acks=self.acks,
            breakers=self.breakers,
            telemetry=self.telemetry,
            decode=decode,
            max_attempts=max_attempts,
            max_receives=MAX_RECEIVE_COUNT,
            now=self.clock,
        )

    def send(self, *order_ids):
        """Put one order.created per id into the queue; returns the message ids."""
        return [
            self.queue.send(
                an_envelope(an_order(order_id=order_id), event_id=f"event-{order_id}").encode()
            )
            for order_id in order_ids
        ]

    def receive(self):
        """Poll once, if there are permits; tells whether a poll was made."""
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
        """Handle everything that was admitted; returns how many messages."""
        count = 0
        while (lease := self.next_lease()) is not None:
            self.consumer.consume(lease)
            count += 1
        return count

    def settle(self):
        """Let what lingers be sent."""
        self.clock.advance(LINGER)
        self.acks.flush()

    def tick(self, seconds):
        """Let time pass while the lease and ack threads do their work."""
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
        """Go on until the queue is empty; retries are waited for."""
        for _ in range(rounds):
            self.round()
            if len(self.queue) == 0 and self.acks.backlog == 0:
                return
            self.tick(1)
            if self.queue.visible == 0:
                self.clock.advance(pause)
                self.leases.renew()
                self.acks.flush()
        raise AssertionError(f"{len(self.queue)} messages are left after {rounds} rounds")

    def restart(self, service=None):
        """Start another process on the same queue, topic and store."""
        return Harness(
            service or self.service,
            **self.waits,
            queue=self.queue,
            topic=self.topic,
            store=self.store,
            clock=self.clock,
            concurrency=self.permits.concurrency,
            visibility_timeout=self.leases.visibility_timeout,
            handler_timeout=self.handler_timeout,
            decode=self.decode,
        )

    def attempts(self, message_id="message-1"):
        """How many attempts at a message are on record."""
        return len(self.store.attempts(message_id).attempts)

    def effects(self, order_id="order-1"):
        """How often an order's effect was committed."""
        return self.store.documents.get(f"effect#{order_id}", {}).get("times", 0)

    def sample(self, name, **labels):
        """Read a metric, 0 if it has not been touched."""
        labels = {"messaging_destination_name": self.queue.name} | labels
        return self.telemetry.registry.get_sample_value(f"messaging_{name}", labels) or 0
