"""One message in this process: its states, and the edges between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from workers.runtime.errors import LeaseLost
from workers.runtime.ports import Message


class State(Enum):
    """The state of a lease. Every lease starts as WAITING."""

    WAITING = "waiting"  # no handler runs: before a try, between two, or before the settlement
    RUNNING = "running"  # its handler runs
    SETTLING = "settling"  # being deleted: kept invisible until SQS confirms
    RELEASING = "releasing"  # about to become visible again: never renewed from here on
    LOST = "lost"  # not this worker's any more; no handler runs
    ABANDONED = "abandoned"  # lost while its handler runs; the handler may never return
    CLOSED = "closed"  # SQS has confirmed the settlement

    __hash__ = object.__hash__  # members are singletons; Enum hashes the name, in Python


# Only these are renewed.
RENEWED: Final = frozenset({State.WAITING, State.RUNNING, State.SETTLING})
# No settlement yet: these can still be lost.
UNSETTLED: Final = frozenset({State.WAITING, State.RUNNING})

# Every act of the lease table, and the edges it may take. An edge to the same state is a race that
# may happen and does no harm; what is not listed is a bug. ARCHITECTURE.md has the diagram.
EDGES: Final[Mapping[str, Mapping[State, State]]] = {
    # Lost while it waited for a thread: the handler is refused when it looks at its lease.
    "start": {State.WAITING: State.RUNNING, State.LOST: State.ABANDONED},
    "wait": {State.RUNNING: State.WAITING, State.ABANDONED: State.LOST},
    # Lost after the consumer looked: a delete with an old handle does no harm.
    "settle": {State.WAITING: State.SETTLING, State.LOST: State.LOST},
    # What a stopping worker hands back is lost first; its handler may still run.
    "release": {
        State.WAITING: State.RELEASING,
        State.LOST: State.LOST,
        State.ABANDONED: State.ABANDONED,
    },
    # Once the settlement is decided it goes on: the effect is committed, or the message returns.
    "lose": {state: state for state in State}
    | {State.WAITING: State.LOST, State.RUNNING: State.ABANDONED},
    # A lost message is only forgotten. Its handler may still run.
    "close": {
        State.SETTLING: State.CLOSED,
        State.RELEASING: State.CLOSED,
        State.LOST: State.LOST,
        State.ABANDONED: State.ABANDONED,
    },
}


class IllegalTransition(RuntimeError):
    """The lease table was asked for an edge that no lease has: a bug in the caller."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Lease:
    """One message in this process. Only the lease table (``Leases``) changes it.

    Any thread may read a field without a lock. Times are monotonic.
    """

    message: Message
    handle: str  # the newest receipt handle: SQS may refuse older ones
    received_at: float
    deadline: float  # the message is certainly invisible until then
    state: State = State.WAITING
    started_at: float | None = None  # while its handler runs
    lost: str | None = None  # the reason, if it is LOST or ABANDONED

    def check(self) -> None:
        """Raise ``LeaseLost`` if another worker may own the message."""
        if self.lost is not None:
            raise LeaseLost(self.lost)
