"""Polling: receives as many messages as can start, and backs off when the queue fails."""

import random
import time
from collections.abc import Callable, Sequence
from threading import Event as Flag
from typing import Final

import structlog

from workers.runtime.acks import Acks
from workers.runtime.crash import crash_point
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.groups import Turns
from workers.runtime.leases import Leases
from workers.runtime.linger import Linger
from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits
from workers.runtime.ports import Message, Queue
from workers.runtime.settlement import LONGEST_BACKOFF, full_jitter, name_of
from workers.runtime.work import Work

FIRST_BACKOFF: Final = 0.2  # s, doubling, with full jitter
ON_THE_WAY: Final = 1.0  # s; a poll may start that much later at SQS than here

log = structlog.get_logger()


class Poller:
    """Receives the messages of one queue and passes them to the handler threads."""

    def __init__(
        self,
        queue: Queue,
        *,
        permits: Permits,
        leases: Leases,
        acks: Acks,
        turns: Turns,
        telemetry: Telemetry,
        wait: float,
        linger: float,
        now: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.work = Work()
        self.receiving: bool | None = None  # the last poll was answered; None before the first
        self.polls: dict[int, float] = {}  # open polls: poller -> when each began
        self._queue = queue
        self._permits = permits
        self._leases = leases
        self._acks = acks
        self._turns = turns
        self._telemetry = telemetry
        self._wait = wait
        self._linger = Linger(linger, now)
        self._now = now
        self._uniform = uniform
        self._proven = False  # the queue has answered at least once
        self._stopping = Flag()

    def run(self, poller: int = 0) -> None:
        """Poll while there are permits: the loop of a poller thread.

        Raises ``FatalError`` if the queue refuses a poll before it has ever answered one. Later
        refusals are treated like an outage.
        """
        failures = 0
        while taken := self._permits.take(poller):
            if self.poll(taken, poller):
                failures = 0
            else:
                failures += 1
                self._stopping.wait(self._backoff(failures))

    def poll(self, taken: int, poller: int = 0) -> bool:
        """Poll once for ``taken`` messages and admit those received; False if the poll failed."""
        messages: Sequence[Message] = ()
        began = self.polls[poller] = self._now()
        try:
            # The first poll, also after an outage, does not wait: it only tests the queue.
            messages = self._queue.receive(taken, self._wait if self.receiving else 0)
        except (Unavailable, FatalError) as error:
            self._failed(error)
            return False
        finally:
            del self.polls[poller]
            self._permits.received(taken, len(messages))
        took = self._now() - began
        self._succeeded()
        self._telemetry.consumed.inc(len(messages))
        for message in messages:
            self.admit(message)
        if wait := self._linger.after(len(messages), taken, took):
            self._permits.lingered()
            self._stopping.wait(wait)
        return True

    def admit(self, message: Message) -> None:
        """Admit a received message, unless this process has it or has settled it."""
        crash_point("received")
        lease = self._leases.grant(message)
        if lease is None:
            self._permits.finished(None)
        elif self._acks.was_handled(message.id):
            self._acks.delete(lease)
            self._permits.finished(None)
        elif message.group and not self._turns.arrive(lease):
            # It starts on the permit of the message before it. Meanwhile another group can be
            # received: a poll may return ten messages of one.
            self._permits.finished(None)
        else:
            self.work.put(lease)

    def open_for(self) -> float:
        """Return how long (s) open polls may still return messages; 0 if none is open."""
        ends = [opened + self._wait + ON_THE_WAY for opened in self.polls.copy().values()]
        return max(0.0, max(ends, default=0.0) - self._now())

    def stop(self) -> None:
        """Start no more polls. Open ones run to their end: SQS may have handed over messages."""
        self._stopping.set()
        self._permits.stop()

    def _backoff(self, failures: int) -> float:
        return full_jitter(failures, base=FIRST_BACKOFF, cap=LONGEST_BACKOFF, uniform=self._uniform)

    def _failed(self, error: Exception) -> None:
        """Log the failure once; a queue that never answered is fatal."""
        self._telemetry.receive_errors(name_of(error)).inc()
        if self.receiving is not False:
            log.error("receive.failing", queue=self._queue.name, reason=str(error))
        self.receiving = False
        if isinstance(error, FatalError) and not self._proven:
            raise error

    def _succeeded(self) -> None:
        if not self.receiving:
            log.info("receive.working", queue=self._queue.name)
        self.receiving = self._proven = True
