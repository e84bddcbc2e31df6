"""``workers stock buckets``."""

from dataclasses import asdict
from typing import Annotated

import typer

from workers.cli.console import (
    FAILED,
    USAGE,
    Json,
    Yes,
    connect,
    counted,
    fail,
    print_json,
    say,
    table_of,
)


def buckets(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The item.")],
    count: Annotated[
        int, typer.Argument(metavar="COUNT", min=1, help="Rows to spread it over; 1 merges them.")
    ],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Spread a hot item over several rows, or merge them. Orders may go on meanwhile.

    Refused while a worker of inventory runs that would only know the first row.
    """
    from workers.aws.dynamodb import DynamoStore
    from workers.aws.identity import caller
    from workers.ops.audit import record
    from workers.ops.stock_buckets import outdated, spread, stock_of
    from workers.ops.stock_changes import look
    from workers.services.buckets import MAX_BUCKETS

    if count > MAX_BUCKETS:
        fail(f"COUNT: at most {MAX_BUCKETS}", USAGE)
    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, "inventory")
    seen = look(dynamodb, table, sku)
    if seen is None:
        fail(f"the inventory has no item {sku!r}. All items: workers stock list", USAGE)
    before = after = seen.stock
    if count > 1 and (old := outdated(dynamodb, table)):
        names = ", ".join(f"{each.worker} ({each.version or 'no version'})" for each in old)
        fail(f"finish the deploy first: {names} would find {sku} out of stock too early", FAILED)
    if yes:
        with record(
            dynamodb,
            table,
            by=caller(clients),
            action="stock buckets",
            reason=reason,
            count=1,
            detail={"sku": sku, "from": before.buckets, "to": count},
        ):
            spread(DynamoStore(dynamodb, table), sku, count)
        after = stock_of(dynamodb, table, sku)
    if as_json:
        print_json({"before": asdict(before), "after": asdict(after), "changed": yes})
        return
    change = f"{sku}: {counted(before.buckets, 'bucket')} -> {count} ({before.available} available)"
    say(change if yes else f"would change {change}; add --yes to apply")
