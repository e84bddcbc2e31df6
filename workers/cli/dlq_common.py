"""Shared by the commands of ``workers dlq``: options, the queue that is meant, and errors."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workers.cli.console import FAILED, INTERRUPTED, USAGE, connect, fail, known
from workers.runtime.errors import FatalError, PermanentError, Unavailable

if TYPE_CHECKING:
    from workers.ops.audit import Recording
    from workers.ops.dlq_place import Place
    from workers.ops.dlq_select import Selection

MessageId = Annotated[
    str, typer.Argument(metavar="MESSAGE_ID", help="A message ID or a unique prefix of one.")
]
Undelivered = Annotated[
    bool,
    typer.Option(
        "--undelivered", help="The events that SNS could not deliver, not the dead letters."
    ),
]
Ids = Annotated[
    list[str] | None, typer.Option("--id", help="Only this message; repeat it for more.")
]
InGroup = Annotated[str, typer.Option("--group", help="Only this group; see dlq list --group.")]
Where = Annotated[
    str,
    typer.Option(
        help="Only messages for which this JMESPath is true, for example "
        "\"failure.type == 'TimeoutError' && !processed\". Fields: id, group, body, text, "
        "readable, processed, failure.{type,reason,at,firstAt,attempts,redrives,stack}, "
        "attempts[].{at,type,reason,outcome,version,worker}."
    ),
]
Reason = Annotated[str, typer.Option(help="Why; for the audit.")]
_THREADS: Final = 16


def selection_of(ids: list[str] | None, group: str, where: str) -> "Selection":
    """Return the selection, or exit with a usage error."""
    from workers.ops.dlq_select import Selection, SelectionError

    selection = Selection(tuple(ids or ()), group, where)
    try:
        selection.check()
    except SelectionError as error:
        fail(error, USAGE)
    return selection


def place(service: str, *, undelivered: bool = False) -> tuple["Place", Any]:
    """Find a service's queues; return them, and the clients."""
    from workers.ops.dlq_place import DLQ, UNDELIVERED, place_of
    from workers.topology import Topology

    known(service)
    settings, clients = connect(threads=_THREADS)
    kind = UNDELIVERED if undelivered else DLQ
    return place_of(clients, settings, Topology.load(), service, kind), clients


@contextmanager
def answered(again: str = "") -> Iterator[None]:
    """Turn the errors of an operation into a message and an exit code.

    ``again`` says how to go on after an interruption.
    """
    from workers.aws.moving import RedriveError
    from workers.ops.dlq_place import HeldError
    from workers.ops.dlq_select import SelectionError
    from workers.ops.operations import BusyError, TakenOverError

    advice = f"\n{again}" if again else ""
    try:
        yield
    except SelectionError as error:
        fail(error, USAGE)
    except BusyError as error:
        fail(f"another operation on these messages is running: {error}. Nothing was done", FAILED)
    except (HeldError, TakenOverError) as error:
        fail(error, FAILED)
    except (RedriveError, Unavailable, FatalError, PermanentError) as error:
        fail(f"{error}{advice}", FAILED)
    except KeyboardInterrupt:
        fail(f"interrupted{advice}", INTERRUPTED)


@contextmanager
def alone(place: "Place", by: str) -> Iterator[None]:
    """Let no other operation on these messages run. An interrupted redrive can still go on."""
    from workers.ops.operations import Operation

    with Operation.running(place.dynamodb, place.table, place.kind, by=by) as operation:
        operation.unfinished = operation.earlier is not None
        yield


@contextmanager
def on_record(
    place: "Place", clients: Any, action: str, *, reason: str, detail: Mapping[str, object]
) -> Iterator["Recording"]:
    """Record an operation on dead letters in the audit."""
    from workers.aws.identity import caller
    from workers.ops.audit import record

    with record(
        place.dynamodb,
        place.table,
        by=caller(clients),
        action=action,
        reason=reason,
        detail={"queue": place.name, **detail},
    ) as recording:
        yield recording


def per_second(text: str) -> float:
    """Read ``20/s``, ``20`` or ``30/m``. Raises ``typer.BadParameter``."""
    found = re.fullmatch(r"(\d{1,5}(?:\.\d{1,3})?)(?:/([sm]))?", text)
    rate = float(found[1]) / (60 if found[2] == "m" else 1) if found else 0.0
    if rate <= 0:
        raise typer.BadParameter(f"{text!r} is not a rate such as 20/s or 30/m")
    return rate


def contents(file: Path) -> str:
    """Return the text of a file, or exit with a usage error."""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}", USAGE)
