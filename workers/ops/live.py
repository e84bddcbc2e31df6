"""Everything that a live view shows and does, for one environment."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.identity import caller
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.ops.dlq import DeadMessage, look
from workers.ops.heartbeats import fleet
from workers.ops.outbox import ShardState, shards
from workers.ops.overview import Look, Overview
from workers.ops.pause import pause, planned, resume
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.settings import Settings
from workers.topology import Topology

_RELAY: Final = "relay"


@dataclass(frozen=True)
class Snapshot:
    """Queues, workers and outbox at one moment."""

    look: Look
    outbox: tuple[ShardState, ...]
    notes: tuple[str, ...]  # what could not be read, and why


@dataclass(frozen=True)
class FailureGroup:
    """Dead letters with the same event type and type of failure."""

    event_type: str  # empty if it cannot be read
    type: str
    count: int
    reason: str  # of one of them
    first_at: str  # ISO 8601
    last_at: str


class Live:
    """Reads and operates an environment. Its methods may be called by one thread at a time."""

    def __init__(self, clients: Clients, settings: Settings, topology: Topology) -> None:
        """Look up the queues. Raises ``FatalError`` if one does not exist."""
        self._clients = clients
        self._settings = settings
        self._topology = topology
        self._dynamodb = clients.dynamodb()
        self._overview = Overview(clients, settings, topology)

    def look(self) -> Snapshot:
        """Read everything that changes nothing. Raises the errors of SQS."""
        seen = self._overview.look()
        try:
            return Snapshot(seen, self._outbox(), seen.notes)
        except (FatalError, PermanentError, Unavailable) as error:
            return Snapshot(seen, (), (*seen.notes, f"no outbox, {error}"))

    def failures(self, service: str) -> list[FailureGroup]:
        """Group the dead letters of a service.

        Receives them and makes them visible again, which adds one to their receive counts.
        """
        sqs = self._clients.control()
        return grouped(look(sqs, names.dlq_url(sqs, self._settings, service)))

    def pause(self, service: str, *, seconds: int | None, reason: str) -> None:
        """Pause a service, and record it."""
        now = fleet(self._dynamodb, self._table(service))
        order = planned(now, by=self._caller, reason=reason, seconds=seconds)
        pause(self._dynamodb, self._table(service), order, workers=len(now.running))

    def resume(self, service: str, *, reason: str) -> None:
        """Resume a service, and record it."""
        table = self._table(service)
        workers = len(fleet(self._dynamodb, table).running)
        resume(self._dynamodb, table, by=self._caller, reason=reason, workers=workers)

    @cached_property
    def _caller(self) -> str:
        return caller(self._clients)

    def _outbox(self) -> tuple[ShardState, ...]:
        if _RELAY not in self._topology.services:
            return ()
        table = self._table(_RELAY)
        rows, leases = Outbox(self._dynamodb, table), OutboxLeases(self._dynamodb, table)
        return tuple(shards(rows, leases, datetime.now(UTC)))

    def _table(self, service: str) -> str:
        mapped = self._topology.services[service].table
        return self._settings.table_name or self._settings.name_prefix + mapped


def grouped(letters: Sequence[DeadMessage]) -> list[FailureGroup]:
    """Group dead letters by event type and type of failure, the largest group first."""
    counts = Counter((letter.event_type, letter.type) for letter in letters)
    groups = []
    for (event_type, kind), count in counts.most_common():
        members = [each for each in letters if (each.event_type, each.type) == (event_type, kind)]
        times = sorted(each.failed_at for each in members if each.failed_at)
        first, last = (times[0], times[-1]) if times else ("", "")
        groups.append(FailureGroup(event_type, kind, count, members[0].reason, first, last))
    return groups
