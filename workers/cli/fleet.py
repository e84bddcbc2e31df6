"""``workers pause`` and ``workers resume``."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from workers.cli.console import (
    DONE,
    FAILED,
    USAGE,
    Json,
    ServiceName,
    Yes,
    connect,
    counted,
    fail,
    known,
    note,
    print_json,
    say,
    table_of,
)
from workers.cli.durations import FORM, seconds_of
from workers.topology import Topology

Reason = Annotated[str, typer.Option(help="Why; stands in logs, in /readyz and in the audit.")]

commands = typer.Typer()


@commands.command("pause", epilog='Example: workers pause payment --for 10m --reason "fix" --yes')
def pause_service(
    service: ServiceName,
    *,
    duration: Annotated[
        str,
        typer.Option("--for", help="90s, 10m, 2h or 1d (default: until resumed).", metavar="TIME"),
    ] = "",
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Stop a service from receiving. Running handlers finish; messages wait in the queue."""
    from workers.aws.identity import caller
    from workers.ops.heartbeats import fleet
    from workers.ops.pause import pause, planned

    known(service)
    seconds = _seconds(service, duration)
    _check_reason(reason)
    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, service)
    now = fleet(dynamodb, table)
    order = planned(now, by=caller(clients), reason=reason, seconds=seconds)
    if not yes:
        before = f" (now {now.pause})" if now.pause else ""
        told = f"would pause {counted(len(now.running), 'worker')} of {service}{before}"
        _tell(as_json, told, service, paused=asdict(order), workers=len(now.running), applied=False)
        return
    pause(dynamodb, table, order, workers=len(now.running))
    seen = _wait(dynamodb, table, paused=True)
    told = f"{service} is {order}. {seen.obeying} of {counted(seen.running, 'worker')} confirmed"
    _tell(as_json, told, service, paused=asdict(order), workers=seen.running, applied=True)
    sys.exit(DONE if seen.complete else FAILED)


@commands.command("resume", epilog="Example: workers resume payment --yes")
def resume_service(
    service: ServiceName, *, reason: Reason = "", yes: Yes = False, as_json: Json = False
) -> None:
    """Let a paused service receive again."""
    from workers.aws.identity import caller
    from workers.ops.heartbeats import fleet
    from workers.ops.pause import resume

    known(service)
    _check_reason(reason)
    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, service)
    now = fleet(dynamodb, table)
    workers = len(now.running)
    if now.pause is None:
        _tell(as_json, f"{service} is not paused", service, None, workers=workers, applied=False)
        return
    if not yes:
        told = f"would resume {counted(workers, 'worker')} of {service} (now {now.pause})"
        _tell(as_json, told, service, None, workers=workers, applied=False)
        return
    resume(dynamodb, table, by=caller(clients), reason=reason, workers=workers)
    seen = _wait(dynamodb, table, paused=False)
    told = f"{service} is resumed. {seen.obeying} of {counted(seen.running, 'worker')} confirmed"
    _tell(as_json, told, service, None, workers=seen.running, applied=True)
    sys.exit(DONE if seen.complete else FAILED)


def _wait(dynamodb: Any, table: str, *, paused: bool) -> Any:
    from workers.ops.pause import Progress, progress

    before = seen = Progress(0, 0)
    for seen in progress(dynamodb, table, paused=paused):
        if seen != before:
            note(f"{seen.obeying} of {counted(seen.running, 'worker')} confirmed")
        before = seen
    return seen


def _tell(
    as_json: bool,  # noqa: FBT001 - the option of the command
    text: str,
    service: str,
    paused: dict[str, Any] | None,
    *,
    workers: int,
    applied: bool,
) -> None:
    if as_json:
        print_json({"service": service, "paused": paused, "workers": workers, "applied": applied})
    else:
        say(text if applied or not text.startswith("would") else f"{text}; add --yes to apply")


def _seconds(service: str, duration: str) -> int | None:
    """Parse a duration; None if there is none. A message must outlive the pause."""
    if not duration:
        return None
    seconds = seconds_of(duration)
    if seconds is None:
        fail(f"--for {duration}: {FORM}", USAGE)
    retention = Topology.load().services[service].retention
    if seconds >= retention:
        fail(f"--for {duration}: SQS deletes messages of {service} after {retention} s", USAGE)
    return seconds


def _check_reason(reason: str) -> None:
    from workers.ops.pause import LONGEST_REASON

    if len(reason) > LONGEST_REASON or not (reason.isprintable()):
        fail(f"--reason: one line of at most {LONGEST_REASON} characters", USAGE)
