"""Everything that a live view shows and does, for one environment."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from workers.aws.clients import Clients
from workers.aws.identity import caller
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.ops.dlq_groups import Group, grouped
from workers.ops.dlq_place import place_of, read, shortfall
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
class DeadLetters:
    """The causes of a service's dead letters."""

    groups: tuple[Group, ...]
    note: str  # that not all could be read, and why; empty if all were


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

    def failures(self, service: str) -> DeadLetters:
        """Group the dead letters of a service by cause.

        Receives them and makes them visible again, which adds one to their receive counts.
        """
        found = read(place_of(self._clients, self._settings, self._topology, service))
        return DeadLetters(tuple(grouped(found.letters, found.known)), shortfall(found.taken))

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
        return self._settings.table(mapped)
