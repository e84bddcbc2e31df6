"""ECS task scale-in protection: ECS does not scale in a task while a long handler runs.

Only handlers that would not fit into the stop timeout are protected: protected tasks delay
deployments. The agent is called on changes only, and its failures never affect the work.
"""

import math
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from workers.runtime.errors import Unavailable
from workers.runtime.observability.telemetry import Telemetry

RELEASE_AFTER: Final = 30.0  # s without a long handler; avoids calls for short gaps
RETRY_AFTER: Final = 15.0  # s after the agent failed
SPARE_MINUTES: Final = 5  # the protection lasts this much longer than the longest handler

log = structlog.get_logger()


class TaskAgent(Protocol):
    """The ECS agent of this task."""

    def protect(self, *, enabled: bool, minutes: int) -> None:
        """Switch scale-in protection on or off; it expires after ``minutes``.

        Raises ``Unavailable``.
        """


class Protection:
    """Decides when this task is protected."""

    def __init__(
        self,
        agent: TaskAgent,
        *,
        protect_after: float,
        handler_timeout: float,
        telemetry: Telemetry,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agent = agent
        self._protect_after = protect_after
        self._minutes = math.ceil(handler_timeout / 60) + SPARE_MINUTES
        self._telemetry = telemetry
        self._now = now
        self._renew_at: float | None = None  # set while protected
        self._long_until = -math.inf
        self._retry_at = -math.inf

    def step(self, oldest_running: float) -> None:
        """Update the protection, given for how long (s) the oldest handler has been running."""
        now = self._now()
        if oldest_running >= self._protect_after:
            self._long_until = now + RELEASE_AFTER
        wanted = now < self._long_until
        if now < self._retry_at:
            return
        if wanted and (self._renew_at is None or now >= self._renew_at):
            self._switch(now, enabled=True)
        elif not wanted and self._renew_at is not None:
            self._switch(now, enabled=False)

    def drop(self) -> None:
        """End the protection, if it is on: the task stops."""
        if self._renew_at is not None:
            self._switch(self._now(), enabled=False)

    def _switch(self, now: float, *, enabled: bool) -> None:
        try:
            self._agent.protect(enabled=enabled, minutes=self._minutes)
        except Unavailable as error:
            self._retry_at = now + RETRY_AFTER
            log.warning("protection.failed", enabled=enabled, reason=str(error))
            return
        self._renew_at = now + self._minutes * 60 / 2 if enabled else None
        self._telemetry.scale_in_protected.set(enabled)
        log.info("protection.changed", enabled=enabled)
