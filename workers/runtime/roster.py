"""The port to the roster of a service: heartbeats of its workers, and the pause that they obey.

``workers.aws.heartbeats`` implements it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from workers.version import FEATURES

BEAT_EVERY: Final = 10.0  # s


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The state of a worker, as it reported it."""

    worker: str
    at: datetime
    started_at: datetime
    version: str = ""
    task: str = ""  # the ECS task; empty elsewhere
    in_flight: int = 0  # messages in the process
    slots: int = 0  # handlers that can run at a time
    handled: int = 0  # messages since the start
    failed: int = 0  # deliveries since the start that ended otherwise
    rate: float = 0.0  # messages handled per second, over the last minute
    oldest_sent_at: float | None = None  # epoch seconds; of the first deliveries in the process
    paused: bool = False
    features: frozenset[str] = FEATURES  # of the worker's version


@dataclass(frozen=True, slots=True)
class Pause:
    """The order of an operator to stop receiving."""

    by: str  # who gave it
    at: str  # ISO 8601, UTC
    reason: str = ""
    until: float | None = None  # epoch seconds; None: until the service is resumed

    def __str__(self) -> str:
        """Describe the pause to a person, in one line."""
        end = "until resumed"
        if self.until is not None:
            end = f"until {datetime.fromtimestamp(self.until, UTC):%Y-%m-%dT%H:%M:%SZ}"
        reason = f": {self.reason}" if self.reason else ""
        return f"paused by {self.by} {end}{reason}"


class Roster(Protocol):
    """Who works for a service, and whether it is paused: rows of the service's table.

    Any method may raise the errors that ``runtime.ports`` names.
    """

    def beat(self, heartbeat: Heartbeat) -> None:
        """Write the heartbeat of a worker in place of its last one."""

    def join(self, worker: str) -> Collection[str]:
        """Add a worker to the roster; return all who are on it."""

    def leave(self, workers: Sequence[str]) -> None:
        """Take at least one worker off the roster. Their last heartbeats stay for a day."""

    def last_beat(self, worker: str) -> datetime | None:
        """Return the time of a worker's last heartbeat, read consistently; None without one."""

    def pause(self) -> Pause | None:
        """Return the pause of the service. Its time may be over."""
