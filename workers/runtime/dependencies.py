"""Keeps track of which dependencies of a process fail, for readiness, metrics and the log."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from workers.runtime.errors import Unavailable

FAILURES: Final = 3  # in a row; one lost answer is no outage
# A failure counts for this long (s): perhaps nothing calls the dependency any more.
MEMORY: Final = 60.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Trouble:
    failures: int
    last: float  # by the clock


class Dependencies:
    """The dependencies that a process calls. Thread-safe."""

    def __init__(
        self,
        registry: CollectorRegistry,
        names: Iterable[str],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``names`` are those whose metric starts at 0."""
        self._now = now
        self._troubles: dict[str, _Trouble] = {}
        self._lock = Lock()
        self._gauge = Gauge(
            "dependency_failing",
            "1 while a dependency does not answer",
            ["dependency"],
            registry=registry,
        )
        for name in names:
            self._observe(name)

    def failed(self, error: Unavailable) -> None:
        """Note a failed call. The third in a row is logged."""
        with self._lock:
            trouble = self._troubles.get(error.dependency)
            if trouble is None or self._forgotten(trouble):
                self._observe(error.dependency)
                trouble = self._troubles[error.dependency] = _Trouble(0, 0.0)
            trouble.failures += 1
            trouble.last = self._now()
            starts = trouble.failures == FAILURES
        if starts:
            log.warning("dependency.failing", dependency=error.dependency, reason=str(error))

    def succeeded(self, *names: str) -> None:
        """Note that dependencies answered; without names, all of them."""
        if not self._troubles:  # the usual case costs no lock
            return
        with self._lock:
            ended = [name for name in names or tuple(self._troubles) if name in self._troubles]
            working = [name for name in ended if self._troubles.pop(name).failures >= FAILURES]
        for name in working:
            log.info("dependency.working", dependency=name)

    def failing(self) -> list[str]:
        """List the dependencies that do not answer."""
        with self._lock:
            return [
                name
                for name, trouble in self._troubles.items()
                if trouble.failures >= FAILURES and not self._forgotten(trouble)
            ]

    def obstacles(self) -> list[str]:
        """Return ``failing`` in words, for readiness."""
        return [f"{name} does not answer" for name in self.failing()]

    def _forgotten(self, trouble: _Trouble) -> bool:
        return self._now() - trouble.last >= MEMORY

    def _observe(self, name: str) -> None:
        """Read the metric when it is scraped: failures are forgotten without a call."""
        self._gauge.labels(name).set_function(lambda: float(name in self.failing()))
