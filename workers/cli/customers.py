"""``workers customer``."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workers.cli.console import (
    USAGE,
    Json,
    Yes,
    connect,
    counted,
    fail,
    note,
    print_json,
    say,
)
from workers.signing import Signing
from workers.topology import Topology
from workers.topology_rules import DAY

if TYPE_CHECKING:
    from workers.ops.customer_rows import Customer, Row

# Days that DynamoDB keeps a table for recovery, and that SNS tries a queue that does not answer.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html
# https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
BACKUP_DAYS: Final = 35
SNS_DAYS: Final = 23

customer = typer.Typer(help="Erase a customer.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(customer, name="customer")


@customer.callback()
def _group() -> None:
    """Have ``erase`` be a command of its own, although it is the only one."""


@customer.command("erase", epilog="Example: workers customer erase ada@example.com --reason 4711")
def customer_erase(
    email: Annotated[
        str | None, typer.Argument(metavar="[EMAIL]", help="The address, as in the orders.")
    ] = None,
    *,
    customer_id: Annotated[
        str | None, typer.Option("--customer-id", help="The customer's ID or subject instead.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase a customer's address, IDs and own words from the rows of all services.

    Reads the whole tables of orders, payment and inventory. Amounts, items and states stay. What it
    cannot reach is listed, with the time at which it is gone. Safe to repeat; repeat it while
    orders are in progress.
    """
    from workers.aws.identity import caller
    from workers.ops.audit import record
    from workers.ops.customer_rows import due, find_events, find_orders
    from workers.ops.erase import erase

    who = _wanted(email, customer_id)
    if yes and not reason:
        fail("give the --reason: it is kept in the audit", USAGE)
    settings, clients = connect()
    topology, dynamodb = Topology.load(), clients.dynamodb()
    services = topology.services.values()
    tables = sorted({service.table for service in services if service.publishes})
    orders_table = settings.table(topology.services["order-api"].table)
    note(f"reading the orders in {orders_table}")
    orders = find_orders(dynamodb, orders_table, who)
    rows = [*orders]
    for table in tables:
        note(f"reading {settings.table(table)}")
        rows += find_events(dynamodb, settings.table(table), who, orders)
    erased, signing = 0, Signing.of(settings)
    if yes and signing is None and any(row.signed for row in rows):
        fail("events are signed: set SIGNING, SIGNING_KEYS and SIGNING_KEY_ID first", USAGE)
    if yes and signing is not None:
        _have_keys(signing, rows)
    if yes and rows:
        with record(
            dynamodb,
            orders_table,
            by=caller(clients),
            action="customer erase",
            reason=reason,
            count=len(rows),
            detail={"found by": "address" if email else "customer ID"},
        ) as found:
            found.count = 0
            for row in due(rows, who):
                found.count += erase(dynamodb, row, signing)
            erased = found.count
    _report(rows, erased, topology, yes=yes, as_json=as_json)


def _have_keys(signing: Signing, rows: "list[Row]") -> None:
    """Fail before anything is written if an event could not be signed again."""
    missing = {signing.missing_key(body) for row in rows for body in row.bodies} - {None}
    if missing:
        fail(f"SIGNING_KEYS lacks the key {' and '.join(sorted(map(str, missing)))}", USAGE)


def _wanted(email: str | None, customer_id: str | None) -> "Customer":
    from workers.addresses import ERASED, sendable
    from workers.ops.customer_rows import Customer

    if (email is None) == (customer_id is None):
        fail("give either EMAIL or --customer-id ID", USAGE)
    if email is None:
        return Customer(customer_id=customer_id)
    if email == ERASED:
        fail("this is the address of erased customers", USAGE)
    try:
        return Customer(email=sendable(email))
    except ValueError as error:
        fail(error, USAGE)


def _out_of_reach(topology: Topology) -> list[dict[str, str]]:
    """List where the customer may still be named, and until when."""
    from workers.runtime.payloads import EXPIRY_DAYS

    consumers = topology.consumers.values()
    queue = max(service.retention for service in consumers) // DAY
    dead = max(service.dlq_retention for service in consumers) // DAY
    places = {
        "messages in queues": f"{queue} days at most; SNS retries an unreachable queue {SNS_DAYS}",
        "dead letters": f"{dead} days; sooner with: workers dlq discard",
        "large events in S3": f"{EXPIRY_DAYS} days; the rows that refer to them name nobody",
        "the archive in S3": "its lifecycle (archive_days); nobody changes an archived event",
        "point-in-time backups": f"{BACKUP_DAYS} days; after a restore, erase again",
        "mails that were sent, and the payment provider": "their own rules: erase there",
    }
    return [{"where": where, "until": until} for where, until in places.items()]


def _report(
    rows: "list[Row]", erased: int, topology: Topology, *, yes: bool, as_json: bool
) -> None:
    kinds = Counter(row.kind for row in rows)
    in_progress = sum(row.in_progress for row in rows)
    rest = _out_of_reach(topology)
    if as_json:
        print_json(
            {
                "orders": sorted(row.key.partition("#")[2] for row in rows if row.kind == "order"),
                "rows": dict(kinds),
                "in_progress": in_progress,
                "erased": erased,
                "out_of_reach": rest,
                "changed": yes,
            }
        )
        return
    named = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    what = f"{counted(len(rows), 'row')}" + (f" ({named})" if named else "")
    say(
        f"erased the customer from {erased} of {what}"
        if yes
        else f"would erase the customer from {what}; add --yes to apply"
    )
    if in_progress:
        say(f"{counted(in_progress, 'row')} of them in progress: run this again in a few minutes")
    say("logs, metrics and the audit name no customer. Out of reach, until:")
    for place in rest:
        say(f"  {place['where']}: {place['until']}")
