"""``workers stock``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from workers.cli.console import (
    FAILED,
    USAGE,
    Json,
    Yes,
    connect,
    fail,
    print_json,
    say,
    show,
    table_of,
)
from workers.cli.stock_buckets import buckets
from workers.cli.stock_price import price
from workers.cli.stock_settle import settle
from workers.samples import REORDER_THRESHOLD

if TYPE_CHECKING:
    from workers.services.stock import Stock

stock = typer.Typer(help="Show and change the stock of the inventory.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(stock, name="stock")
stock.command("settle", epilog="Example: workers stock settle --all --reason upgrade --yes")(settle)
stock.command(
    "price", epilog='Example: workers stock price LAPTOP-001 12.50 EUR --reason "new list" --yes'
)(price)
stock.command(
    "buckets", epilog='Example: workers stock buckets LAPTOP-001 16 --reason "sale" --yes'
)(buckets)

Sku = Annotated[str, typer.Argument(metavar="SKU", help="The item.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")]
# Otherwise -5 would be an option.
NEGATIVE: Final = {"ignore_unknown_options": True}


@stock.command("list", epilog="Example: workers stock list")
def stock_list(*, as_json: Json = False) -> None:
    """List the available and reserved units of every item. Reads the whole table."""
    from workers.ops.stock import list_stock

    settings, clients = connect()
    found = [asdict(s) for s in list_stock(clients.dynamodb(), table_of(settings, "inventory"))]
    if as_json:
        print_json(found)
    elif found:
        show(found)
    else:
        say("the inventory has no items; add one with: workers stock set SKU AVAILABLE --create")


@stock.command("show", epilog="Example: workers stock show LAPTOP-001")
def stock_show(sku: Sku, *, as_json: Json = False) -> None:
    """Show the stock and the price of an item, and which orders hold units of it.

    Reads the whole table.
    """
    from workers.aws.prices import read
    from workers.ops.stock_changes import holders, look

    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, "inventory")
    seen = look(dynamodb, table, sku)
    if seen is None:
        _unknown(sku)
    listed = read(dynamodb, table_of(settings, "orders")).get(sku)
    item = asdict(seen.stock) | {"price": str(listed) if listed else None}
    held = [asdict(each) for each in holders(dynamodb, table, sku)]
    if as_json:
        print_json(item | {"orders": held})
        return
    show([item | {"price": listed or "-"}])
    if held:
        show(held)
    else:
        say("no order holds any")


@stock.command("set", epilog="Example: workers stock set LAPTOP-001 100 --reorder-at 10 --yes")
def stock_set(
    sku: Sku,
    available: Annotated[int, typer.Argument(metavar="AVAILABLE", min=0, help="Units for sale.")],
    *,
    reorder_at: Annotated[
        int | None,
        typer.Option(min=0, help="Report the item when this many units are left; unset: as it is."),
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Add the item if it is new.")] = False,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Set the available units of an item, after a count. Reserved units stay."""
    from workers.ops.stock_changes import UnknownItem, look, set_available
    from workers.services.stock import Stock

    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, "inventory")
    seen = look(dynamodb, table, sku)
    if seen is None and not create:
        _unknown(sku, "; add --create for a new one")
    before = seen.stock if seen else Stock(sku)
    kept = before.reorder_threshold if seen else REORDER_THRESHOLD
    threshold = kept if reorder_at is None else reorder_at
    after = Stock(sku, available, before.reserved, threshold, before.buckets)
    if yes:
        detail = {"sku": sku, "to": available}
        with _on_record(clients, table, "stock set", reason, detail) as found:
            try:
                before, after = set_available(
                    dynamodb,
                    table,
                    sku,
                    available,
                    reorder_threshold=reorder_at if seen else threshold,
                    create=create,
                )
            except UnknownItem:
                _unknown(sku)
            found["from"] = str(before.available)
    _report(before, after, yes=yes, as_json=as_json)


@stock.command(
    "adjust",
    context_settings=NEGATIVE,
    epilog='Example: workers stock adjust LAPTOP-001 -3 --reason "damaged" --yes',
)
def stock_adjust(
    sku: Sku,
    units: Annotated[
        int, typer.Argument(metavar="UNITS", help="Units to add; negative to take away.")
    ],
    *,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add available units to an item, or take some away. Orders may go on meanwhile."""
    from workers.ops.stock_changes import UnknownItem, adjust, look
    from workers.services.buckets import NotEnough

    if not reason:
        fail("give the --reason: it is kept in the audit", USAGE)
    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, "inventory")
    seen = look(dynamodb, table, sku)
    if seen is None:
        _unknown(sku)
    before = seen.stock
    if before.available + units < 0:
        fail(f"{sku}: {before.available} available, cannot take {-units}", FAILED)
    after = replace(before, available=before.available + units)
    if yes:
        detail = {"sku": sku, "units": units}
        with _on_record(clients, table, "stock adjust", reason, detail) as found:
            try:
                after = adjust(dynamodb, table, sku, units)
            except UnknownItem:
                _unknown(sku)
            except NotEnough as error:
                fail(error, FAILED)
            found["to"] = str(after.available)
        before = replace(after, available=after.available - units)
    _report(before, after, yes=yes, as_json=as_json)


@contextmanager
def _on_record(
    clients: Any, table: str, action: str, reason: str, detail: dict[str, object]
) -> Iterator[dict[str, str]]:
    """Record a change around the block; what the block adds to the dict is recorded at its end."""
    from workers.aws.identity import caller
    from workers.ops.audit import record

    with record(
        clients.dynamodb(),
        table,
        by=caller(clients),
        action=action,
        reason=reason,
        count=1,
        detail=detail,
    ) as it:
        yield it.detail


def _unknown(sku: str, hint: str = "") -> NoReturn:
    fail(f"the inventory has no item {sku!r}{hint}. All items: workers stock list", USAGE)


def _report(before: "Stock", after: "Stock", *, yes: bool, as_json: bool) -> None:
    if as_json:
        print_json({"before": asdict(before), "after": asdict(after), "changed": yes})
        return
    change = f"{before.sku}: {before.available} -> {after.available} available"
    if before.reorder_threshold != after.reorder_threshold:
        change += f", reorder at {before.reorder_threshold} -> {after.reorder_threshold}"
    change += f" ({after.reserved} reserved)"
    say(change if yes else f"would change {change}; add --yes to apply")
