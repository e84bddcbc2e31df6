"""``workers replay --rebuild``."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from workers.cli.console import (
    FAILED,
    USAGE,
    connect,
    counted,
    fail,
    note,
    print_json,
    say,
    show,
    table_of,
)
from workers.topology import Topology

INTERRUPTED: Final = 75
# s; terraform/archive_delivery.tf buffers for 300 s, and Firehose may take 1.5 times that
DELAY: Final = 600


def rebuild_counters(
    service: str, archive_delay: float, reason: str, *, yes: bool, as_json: bool
) -> None:
    """Rebuild a service's counters, or only say what would be counted."""
    from workers.aws.archive import Archive
    from workers.aws.generations import REBUILDABLE
    from workers.aws.identity import caller
    from workers.ops.audit import record
    from workers.ops.operations import BusyError, Operation
    from workers.ops.rebuild import Rebuild

    if service != REBUILDABLE:
        fail(
            f"only {REBUILDABLE} can be rebuilt: what {service} does is not in its table alone",
            USAGE,
        )
    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, service)
    archive = Archive.find(clients, settings)
    topology = Topology.load()
    types = topology.consumers[service].consumes
    rebuild = Rebuild(
        archive, dynamodb, table, types, topology.publishers, archive_delay, report=note
    )
    if not yes:
        _print_preview(rebuild.preview(), as_json=as_json)
        return
    by = caller(clients)
    try:
        with (
            Operation.running(dynamodb, table, "rebuild", by=by),
            record(dynamodb, table, by=by, action="replay --rebuild", reason=reason) as audit,
        ):
            result = rebuild.run()
            audit.count = result.events
            audit.detail = {"generation": str(result.generation)}
    except KeyboardInterrupt:
        fail("interrupted; run it again: it starts a new generation", INTERRUPTED)
    except BusyError as error:
        fail(f"another rebuild is running: {error}", FAILED)
    if as_json:
        print_json(asdict(result))
    else:
        say(
            f"generation {result.generation} is in use: {counted(result.events, 'event')} counted "
            f"from the archive, {result.unreadable} unreadable"
        )
    for line in result.problems:
        note(line)


def _print_preview(found: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        print_json({"types": dict(found), "rebuilt": False})
        return
    if found:
        show({"type": name, "events": number} for name, number in found.items())
    say(f"would count {counted(sum(found.values()), 'archived event')} again; add --yes to apply")
