"""Order in a FIFO queue: which message of a group may start next.

Messages of one group run one at a time, in the order in which they were received. Those that wait
for an earlier one stand in a *lane* behind it; their leases are renewed like any other. Once the
first of a lane was handled, the next may start. If it was not (a retry, a dead letter, a lost
lease), the rest must not overtake it: all of it goes back to the queue, and SQS delivers the group
again, in order, when nothing of it is in flight any more.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html

The table decides, and ``Turns`` acts. Messages of a standard queue have no group and are not here.
"""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final

from workers.runtime.acks import Acks
from workers.runtime.admission import Admission
from workers.runtime.lease import Lease
from workers.runtime.leases import Leases
from workers.runtime.observability.telemetry import Telemetry

VISIBLE: Final = 0  # s: to whoever asks next, once the rest of its group allows it


class Groups:
    """The lanes of the groups that this process has messages of."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Lease]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """Return the number of messages that may start or have started."""
        return len(self._lanes)

    def arrive(self, lease: Lease) -> bool:
        """Enter a received message; True if it may start now, False if it waits in its lane."""
        with self._lock:
            lane = self._lanes.setdefault(lease.message.group, deque())
            lane.append(lease)
            return lane[0] is lease

    def handled(self, lease: Lease) -> Lease | None:
        """Take the first of a lane out of it and return the next, which may start; None if none."""
        group = lease.message.group
        with self._lock:
            lane = self._lanes.get(group)
            if not lane or lane[0] is not lease:  # its lane was closed meanwhile
                return None
            lane.popleft()
            if lane:
                return lane[0]
            del self._lanes[group]
            return None

    def close(self, lease: Lease) -> list[Lease]:
        """Close the lane of a message that was not handled; return those that waited behind it."""
        group = lease.message.group
        with self._lock:
            lane = self._lanes.get(group)
            if not lane or lane[0] is not lease:
                return []
            del self._lanes[group]
            return list(lane)[1:]

    def cut(self, *groups: str) -> list[Lease]:
        """Cut lanes, or all of them, at their first lost message; return what waited from there on.

        SQS delivers a lost message again: here, to a lane of its own, or in another process.
        """
        with self._lock:
            return [lease for group in groups or list(self._lanes) for lease in self._cut(group)]

    def _cut(self, group: str) -> list[Lease]:
        lane = list(self._lanes.get(group, ()))
        lost = next((n for n, lease in enumerate(lane) if lease.lost is not None), None)
        if lost is None:
            return []
        if lost == 0:
            del self._lanes[group]
            return lane[1:]  # the first has started, or is about to: it is its handler's
        self._lanes[group] = deque(lane[:lost])
        return lane[lost:]


class Turns:
    """Acts on the decisions of ``Groups``: starts the next message of a lane, or hands it back."""

    def __init__(
        self,
        groups: Groups,
        *,
        start: Callable[[Lease], None],
        leases: Leases,
        acks: Acks,
        admission: Admission,
        telemetry: Telemetry,
    ) -> None:
        """``start`` gives a message to the handler threads."""
        self._groups = groups
        self._start = start
        self._leases = leases
        self._acks = acks
        self._admission = admission
        self._telemetry = telemetry

    def arrive(self, lease: Lease) -> bool:
        """Enter a received message; True if it may start now.

        A lost message of its group goes first: SQS has delivered the group anew.
        """
        self._hand_back(self._groups.cut(lease.message.group), later=True)
        return self._groups.arrive(lease)

    def end(self, lease: Lease, *, handled: bool) -> bool:
        """Note how the first of a lane ended; True if the next one starts in its place."""
        if not handled:
            self._hand_back(self._groups.close(lease))
            return False
        following = self._groups.handled(lease)
        if following is None:
            return False
        self._start(following)
        return True

    def relax(self) -> None:
        """Hand back what waits behind a lost message; called periodically by the lease thread."""
        self._hand_back(self._groups.cut(), later=True)

    def _hand_back(self, waiting: list[Lease], *, later: bool = False) -> None:
        """Make messages visible again. They did not start, so none of them is a suspect.

        ``later`` keeps the caller from waiting for the store.
        """
        kept = [lease for lease in waiting if lease.lost is None]
        for lease in waiting:
            if lease.lost is not None:
                self._leases.close(lease)
        # Last first: the queue never has a message whose successor is still in flight here.
        self._admission.excuse_waiting(kept, later=later)
        for lease in reversed(kept):
            self._acks.hide(lease, VISIBLE)
            self._telemetry.handed_back.inc()
