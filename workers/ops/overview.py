"""The queues of every service with their rates, ages and workers.

Depths come from SQS, workers and their rates from heartbeats. Ages and arrivals come from
CloudWatch; where it has none, as on an emulator, from the heartbeats and from earlier looks.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from workers.aws.clients import Clients
from workers.aws.queue_metrics import PERIOD, QueueMetrics, queue_metrics
from workers.ops.heartbeats import Fleet, fleet
from workers.ops.queues import Queues, QueueState, at_once
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.settings import Settings
from workers.topology import Topology

_RATE_OVER: Final = 60.0  # s between the looks that an arrival rate compares, at most


@dataclass(frozen=True)
class Look:
    """One look at all queues."""

    queues: tuple[QueueState, ...]
    fleets: Mapping[str, Fleet]  # by service; without those that could not be read
    notes: tuple[str, ...]  # what could not be read, and why


class Overview:
    """Looks at the queues, again and again. Not for several threads."""

    def __init__(
        self,
        clients: Clients,
        settings: Settings,
        topology: Topology,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Look up the queues. Raises ``FatalError`` if one does not exist."""
        self._dynamodb = clients.dynamodb()
        self._cloudwatch = clients.cloudwatch()
        self._queues = Queues(clients, settings, topology)
        self._tables = {
            name: settings.table(service.table) for name, service in topology.consumers.items()
        }
        self._now = now
        self._seen: dict[str, deque[tuple[datetime, int]]] = {}
        self._metrics: Mapping[str, QueueMetrics] = {}
        self._metrics_note = ""
        self._metrics_at: datetime | None = None

    def look(self) -> Look:
        """Read everything, in parallel.

        Raises the errors of SQS. Without DynamoDB or CloudWatch the fields that come from there are
        None, and a note says why.
        """
        with ThreadPoolExecutor(2) as pool:
            metrics = pool.submit(self._read_metrics)
            reading = pool.submit(at_once, self._fleet, self._tables)
            states = self._queues.states()
            found = dict(zip(self._tables, reading.result(), strict=True))
            metrics.result()
        fleets = {name: each for name, each in found.items() if isinstance(each, Fleet)}
        problems = [f"{name}: {each}" for name, each in found.items() if isinstance(each, str)]
        notes = [*problems, *filter(None, [self._metrics_note])]
        queues = tuple(self._complete(state, fleets.get(state.service)) for state in states)
        return Look(queues, fleets, tuple(notes))

    def _fleet(self, service: str) -> Fleet | str:
        try:
            return fleet(self._dynamodb, self._tables[service])
        except (FatalError, PermanentError, Unavailable) as error:
            return f"no heartbeats, {error}"

    def _read_metrics(self) -> None:
        """Ask CloudWatch, at most once a minute: it has nothing newer, and charges."""
        now = self._now()
        if self._metrics_at and (now - self._metrics_at).total_seconds() < PERIOD:
            return
        self._metrics_at = now
        try:
            names = list(self._queues.names.values())
            self._metrics, self._metrics_note = queue_metrics(self._cloudwatch, names, now), ""
        except (FatalError, PermanentError, Unavailable) as error:
            self._metrics, self._metrics_note = {}, f"no ages and arrivals, {error}"

    def _complete(self, state: QueueState, crew: Fleet | None) -> QueueState:
        metrics = self._metrics.get(state.queue, QueueMetrics())
        as_of = crew.as_of if crew else self._now()
        rate_out = crew.rate if crew else None
        rate_in = metrics.sent_per_second
        if rate_in is None:
            rate_in = self._arrivals(state, as_of, rate_out)
        oldest = metrics.oldest_seconds
        if oldest is None and crew:
            oldest = crew.oldest_seconds
        paused = crew.pause if crew else None
        return replace(
            state,
            oldest_seconds=None if oldest is None else round(oldest),
            rate_in=None if rate_in is None else round(rate_in, 2),
            rate_out=None if rate_out is None else round(rate_out, 2),
            drain_seconds=None if paused else time_to_drain(state, rate_in, rate_out),
            workers=len(crew.running) if crew else None,
            silent=len(crew.silent) if crew else None,
            paused=paused,
            as_of=as_of.isoformat(timespec="seconds"),
        )

    def _arrivals(self, state: QueueState, at: datetime, rate_out: float | None) -> float | None:
        """Return messages per second: those that left, and those by which the queue has grown."""
        looks = self._seen.setdefault(state.service, deque())
        looks.append((at, _backlog(state)))
        while (at - looks[0][0]).total_seconds() > _RATE_OVER:
            looks.popleft()
        since, before = looks[0]
        seconds = (at - since).total_seconds()
        if rate_out is None or seconds <= 0:
            return None
        return max(0.0, rate_out + (_backlog(state) - before) / seconds)


def time_to_drain(state: QueueState, rate_in: float | None, rate_out: float | None) -> int | None:
    """Return the seconds until the queue is empty; None if it will not be, or nothing is known."""
    if _backlog(state) == 0:
        return 0
    net = (rate_out or 0.0) - (rate_in or 0.0)
    return math.ceil(_backlog(state) / net) if net > 0 else None


def _backlog(state: QueueState) -> int:
    return state.visible + state.in_flight + state.delayed
