"""Pause: an operator stops a service from receiving, until a time or until it is resumed.

Messages in flight finish and keep their leases. A pause with an end ends by itself, also while
the store that holds it does not answer.
"""

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Final

import structlog

from workers.runtime.observability.telemetry import Telemetry
from workers.runtime.permits import Permits
from workers.runtime.roster import Pause

PAUSED: Final = "operator"  # the reason given for the pause in polling
UNREAD: Final = "pause_unread"  # likewise, until the store was asked for the first time

log = structlog.get_logger()


class PauseSwitch:
    """Applies the pause of a service to the polling of one worker. Any thread may call it."""

    def __init__(
        self,
        permits: Permits,
        *,
        telemetry: Telemetry,
        now: Callable[[], float],
        utcnow: Callable[[], datetime],
    ) -> None:
        self._permits = permits
        self._telemetry = telemetry
        self._now = now
        self._utcnow = utcnow
        self._pause: Pause | None = None
        # By the monotonic clock: a change of the time of day does not move it.
        self._ends_at: float | None = None
        self._lock = Lock()

    @property
    def pause(self) -> Pause | None:
        """The pause that this worker obeys."""
        return self._pause

    def hold(self) -> None:
        """Receive nothing before the first ``look`` or ``unknown``: the service may be paused."""
        self._permits.pause(UNREAD)

    def look(self, pause: Pause | None) -> None:
        """Obey what the store says now."""
        left = None
        if pause is not None and pause.until is not None:
            left = pause.until - self._utcnow().timestamp()
        with self._lock:
            if left is not None and left <= 0:
                pause = None
            self._ends_at = None if pause is None or left is None else self._now() + left
            self._switch(pause)
        self._permits.resume(UNREAD)

    def unknown(self) -> None:
        """Keep the last known pause: the store does not answer."""
        self._permits.resume(UNREAD)

    def relax(self) -> None:
        """End a pause whose time is over; called periodically."""
        with self._lock:
            if self._ends_at is not None and self._now() >= self._ends_at:
                self._ends_at = None
                self._switch(None)

    def _switch(self, pause: Pause | None) -> None:
        before, self._pause = self._pause, pause
        if pause == before:
            return
        self._telemetry.paused.set(pause is not None)
        if pause is None:
            self._permits.resume(PAUSED)
            log.info("receive.resumed")
        else:
            self._permits.pause(PAUSED)
            log.warning("receive.paused", by=pause.by, until=pause.until, reason=pause.reason)
