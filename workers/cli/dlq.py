"""``workers dlq``: list and show; the other commands are added here."""

from dataclasses import asdict
from typing import Annotated

import typer

from workers.cli import dlq_changes, dlq_files, dlq_redrive, dlq_view
from workers.cli.console import (
    DONE,
    FAILED,
    Json,
    ServiceName,
    note,
    print_json,
    say,
)
from workers.cli.dlq_common import (
    MessageId,
    Reason,
    Undelivered,
    answered,
    on_record,
    place,
)
from workers.runtime.observability.logs import redact
from workers.settings import Settings

dlq = typer.Typer(help="List, show, redrive and correct dead letters.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(dlq, name="dlq")


@dlq.command("list", epilog="Example: workers dlq list payment --group")
def dlq_list(
    service: ServiceName,
    *,
    group: Annotated[
        bool, typer.Option("--group", help="One line per event type, error type and stack.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Messages to read.")] = 1_000,
    undelivered: Undelivered = False,
    as_json: Json = False,
) -> None:
    """List a service's dead letters and the reasons.

    SQS cannot peek. While this command reads, for 30 seconds at most, no other reader sees the
    messages, and their receive counts grow by one. That moves no message: a dead-letter queue has
    no redrive policy. Exits with 1 if another reader holds some of the messages.
    """
    from workers.ops.dlq_groups import grouped
    from workers.ops.dlq_place import read, shortfall
    from workers.ops.operations import running_now

    where, _ = place(service, undelivered=undelivered)
    with answered():
        found = read(where, limit=limit)
        held = found.taken.held_elsewhere
        reader = running_now(where.dynamodb, where.table, where.kind) if held else ""
    groups = grouped(found.letters, found.known) if group else []
    if as_json:
        rows = [asdict(each) for each in groups] if group else None
        print_json(rows or [dlq_view.listed(letter, found) for letter in found.letters])
    elif group and groups:
        dlq_view.groups_table(groups)
    elif found.letters:
        dlq_view.letters_table(found.letters, found.known)
    elif not held:
        say(f"the dead-letter queue of {service} is empty")
    if text := shortfall(found.taken, reader):
        note(text)
    raise typer.Exit(FAILED if held else DONE)


@dlq.command("show", epilog="Example: workers dlq show payment 4f6c2d")
def dlq_show(
    service: ServiceName,
    message_id: MessageId,
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal data. The audit records who did.")
    ] = False,
    reason: Reason = "",
    undelivered: Undelivered = False,
    as_json: Json = False,
) -> None:
    """Show one dead letter: body, every attempt, whether it was handled since, and what to do.

    Reading has the same cost as ``dlq list``.
    """
    from workers.ops.dlq_advice import next_step
    from workers.ops.dlq_groups import group_of
    from workers.ops.dlq_place import read
    from workers.ops.masking import indented, masked, parsed
    from workers.ops.references import follow, payloads_of

    where, clients = place(service, undelivered=undelivered)
    with answered():
        found = read(where)
        letter = found.find(message_id)
        followed = follow(letter.body, payloads_of(clients, Settings.load()))
        body = masked(followed.body)
        if reveal:
            detail = {"message": letter.id, "event": letter.event_id}
            with on_record(where, clients, "dlq show --reveal", reason=reason, detail=detail) as it:
                it.count = 1
            fields = parsed(followed.body)
            body = followed.body if as_json or not fields else indented(fields)
    facts = found.known[letter.key]
    document = dlq_view.listed(letter, found) | {
        "schema": letter.schema,
        "trail": letter.trail,
        "tries": [asdict(each) for each in facts.attempts],
        "revealed": reveal,
        "stored": {"at": redact(followed.place), "problem": followed.problem},
        "body": body,
        "next": next_step(letter, facts, service=service, group=group_of(letter)),
    }
    if as_json:
        print_json(document)
    else:
        dlq_view.letter_text(document)


dlq.command("redrive", epilog=dlq_redrive.EXAMPLE)(dlq_redrive.redrive)
dlq.command("edit", epilog=dlq_changes.EDIT)(dlq_changes.edit)
dlq.command("discard", epilog=dlq_changes.DISCARD)(dlq_changes.discard)
dlq.command("export", epilog=dlq_files.EXPORT)(dlq_files.export)
dlq.command("import", epilog=dlq_files.IMPORT)(dlq_files.import_)
