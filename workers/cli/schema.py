"""``workers schema``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.console import FAILED, USAGE, Json, fail, note, print_json, say, show

if TYPE_CHECKING:
    from workers.ops.contracts.diff import Change

commands = typer.Typer()
schema = typer.Typer(help="The contract of the events: schemas and changes.", no_args_is_help=True)
commands.add_typer(schema, name="schema")


@schema.command("export", epilog="Example: workers schema export build/schemas")
def export(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="The folder to write to; created if absent.")
    ],
) -> None:
    """Write the JSON Schemas, the contract, and an AsyncAPI document with its page."""
    from workers.ops.schema import export as write

    for path in write(directory):
        say(str(path))


@schema.command(epilog="Example: workers schema diff --against contracts")
def diff(
    *,
    against: Annotated[
        str,
        typer.Option(
            metavar="REF",
            help="A file or folder with exported contracts, or a tag or commit of git.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Compare the events with released ones. Exit code 1 if a change breaks consumers."""
    from workers.ops.contracts.contract import ContractError
    from workers.ops.contracts.diff import changes
    from workers.ops.contracts.released import released
    from workers.ops.schema import contract

    try:
        before = released(against)
    except ContractError as error:
        fail(error, USAGE)
    new = contract()
    found = changes(before, new, today=datetime.now(UTC).date())
    versions = sorted(before, key=lambda each: each.number)
    told = f"{new.version} against {', '.join(each.version for each in versions)}"
    broken = sum(each.what.breaking for each in found)
    rows = [_row(each) for each in found]
    if as_json:
        against_versions = [each.version for each in versions]
        print_json(
            {
                "version": new.version,
                "against": against_versions,
                "breaking": broken,
                "changes": rows,
            }
        )
    elif rows:
        show(rows)
    else:
        say(f"no change of an event: {told}")
    if broken:
        fail(f"{broken} breaking: {told}; docs/CONTRACTS.md says how to change an event", FAILED)


@schema.command(epilog="Example: workers schema record contracts")
def record(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="The folder of released contracts.")
    ],
) -> None:
    """Record the contract of this version, unless it breaks what was released."""
    from workers.ops.contracts.contract import ContractError
    from workers.ops.contracts.released import record as write
    from workers.ops.schema import contract

    try:
        path = write(directory, contract(), today=datetime.now(UTC).date())
    except ContractError as error:
        fail(error, FAILED)
    note(f"commit {path}")


def _row(change: "Change") -> dict[str, Any]:
    from workers.ops.contracts.parties import consumers, owners
    from workers.topology import Topology

    topology = Topology.load()
    return {
        "event": change.event,
        "field": change.field or "-",
        "change": change.what.change,
        "verdict": "breaking" if change.what.breaking else "compatible",
        "instead": change.what.instead or "-",
        "ask": ", ".join(owners(topology, consumers(topology, change.event))) or "-",
    }
