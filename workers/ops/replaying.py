"""Runs a replay as an operation: one at a time for each service, audited, resumed after a kill."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from workers.aws import names
from workers.aws.archive import Archive
from workers.aws.clients import Clients
from workers.aws.generations import inbox_scope
from workers.aws.identity import caller
from workers.aws.resend import THREADS, Sender
from workers.ops.archive import Archived, Position, Selection, Unreadable, placed_at, read
from workers.ops.audit import record
from workers.ops.operations import Operation
from workers.ops.replay import Options, Replay, Tally
from workers.settings import Settings
from workers.topology import Topology

NAME: Final = "replay"
ACTION: Final = "replay"
_FILES: Final = 100  # between two reports
SAVED_EVERY: Final = 10  # chunks between two saves of the position
_ORDERS: Final = "orders"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Replaying:
    """What a replay to one service needs."""

    clients: Clients
    settings: Settings
    archive: Archive
    service: str
    table: str
    scope: str
    dynamodb: Any

    @classmethod
    def of(cls, clients: Clients, settings: Settings, service: str) -> Self:
        """Find the archive and the table of a service."""
        wide = replace(clients, threads=THREADS)
        dynamodb = wide.dynamodb()
        archive = Archive.find(wide, settings)
        table = settings.own_table(_mapped(service))
        scope = inbox_scope(dynamodb, table, service)
        return cls(wide, settings, archive, service, table, scope, dynamodb)

    def placed_at(self, order_id: str) -> datetime | None:
        """Return since when an order may have events; None if there is no such order."""
        return placed_at(self.dynamodb, self.settings.table(_mapped(_ORDERS)), order_id)

    def look(self, selection: Selection, options: Options, tally: Tally, *, report: Report) -> None:
        """Count what a replay would send. Changes nothing."""
        with self._sender() as sender:
            replay = Replay(self.dynamodb, self.table, self.scope, sender, options)
            replay.run(self._read(selection, None, report), tally)

    def send(
        self, selection: Selection, options: Options, tally: Tally, *, reason: str, report: Report
    ) -> None:
        """Send the events, from where an interrupted replay of the same events stopped.

        Raises ``BusyError`` if another replay to the service runs, and what ``Replay.run`` raises.
        """
        by, asked = caller(self.clients), _asked(selection, options)
        with (
            Operation.running(self.dynamodb, self.table, NAME, by=by) as operation,
            record(
                self.dynamodb, self.table, by=by, action=ACTION, reason=reason, detail=asked
            ) as audit,
            self._sender() as sender,
        ):
            after = _resumed(operation, asked, tally)
            if after is not None:
                report(f"going on after {after.key}; {tally.events} events were sent before")
            chunks = 0

            def save(position: Position, tally: Tally) -> None:
                nonlocal chunks
                chunks += 1
                audit.count = tally.events
                if chunks % SAVED_EVERY == 1:
                    _save(operation, asked, position, tally)
                    report(f"sent {tally.events} of {tally.read} events read")

            replay = Replay(self.dynamodb, self.table, self.scope, sender, options, save)
            replay.run(self._read(selection, after, report), tally)

    @contextmanager
    def _sender(self) -> Iterator[Sender]:
        sqs = self.clients.control()
        url = names.queue_url(sqs, self.settings, self.service)
        with ThreadPoolExecutor(THREADS) as pool:
            yield Sender(sqs, url, pool)

    def _read(
        self, selection: Selection, after: Position | None, report: Report
    ) -> Iterator[Archived | Unreadable]:
        files = 0

        def progress(key: str) -> None:
            nonlocal files
            files += 1
            if files % _FILES == 0:
                report(f"read {files} files, now {key}")

        return read(self.archive, selection, after=after, progress=progress)


def _mapped(service: str) -> str:
    return Topology.load().services[service].table


def _asked(selection: Selection, options: Options) -> dict[str, str]:
    """Describe what is asked for: the same texts mean the same events."""
    return {
        "types": " ".join(sorted(selection.types)),
        "from": selection.since.isoformat(),
        "to": selection.until.isoformat(),
        "order": selection.order_id,
        "also": " ".join(name for name in ("again", "forgotten") if getattr(options, name)),
    }


def _save(operation: Operation, asked: dict[str, str], position: Position, tally: Tally) -> None:
    operation.save(
        asked=asked,
        key=position.key,
        number=position.number,
        read=tally.read,
        handled=tally.handled,
        types=dict(tally.types),
    )


def _resumed(operation: Operation, asked: dict[str, str], tally: Tally) -> Position | None:
    """Return the position after which to go on, and restore the counts. None: at the start."""
    earlier: Any = operation.earlier.progress if operation.earlier else {}
    if earlier.get("asked") != asked:
        return None
    tally.read, tally.handled = int(earlier["read"]), int(earlier["handled"])
    tally.types.update({name: int(number) for name, number in earlier["types"].items()})
    return Position(str(earlier["key"]), int(earlier["number"]))
