"""``workers stock price``."""

from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.console import USAGE, Json, Yes, connect, fail, print_json, say, table_of

if TYPE_CHECKING:
    from workers.services.prices import Price


def price(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The item.")],
    amount: Annotated[
        str | None, typer.Argument(metavar="[PRICE", help="Of one unit: 12.50.")
    ] = None,
    currency: Annotated[str | None, typer.Argument(metavar="CURRENCY]", help="ISO 4217.")] = None,
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="Sell it at the price that the order names again.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Set the price at which orders for an item are accepted. Effective within 10 seconds.

    An order at another price is refused, and told the current one. An item without a price is sold
    at the price that the order names.
    """
    from workers.aws.identity import caller
    from workers.aws.prices import change, read
    from workers.ops.audit import record
    from workers.ops.stock_changes import look

    new = _wanted(amount, currency, remove=remove)
    if not reason:
        fail("give the --reason: it is kept in the audit", USAGE)
    settings, clients = connect()
    dynamodb, table = clients.dynamodb(), table_of(settings, "orders")
    if new and look(dynamodb, table_of(settings, "inventory"), sku) is None:
        fail(f"the inventory has no item {sku!r}. All items: workers stock list", USAGE)
    before = read(dynamodb, table).get(sku)
    if yes:
        detail = {"sku": sku, "to": new or "none"}
        with record(
            dynamodb,
            table,
            by=caller(clients),
            action="stock price",
            reason=reason,
            count=1,
            detail=detail,
        ) as found:
            before = change(dynamodb, table, sku, new)
            found.detail["from"] = str(before or "none")
    _report(sku, before, new, yes=yes, as_json=as_json)


def _wanted(amount: str | None, currency: str | None, *, remove: bool) -> "Price | None":
    """Return the price to set, None to remove it; exit unless exactly one of them is meant."""
    from workers.services.prices import Price

    if remove == (amount is not None):
        fail("give PRICE and CURRENCY (12.50 EUR), or --remove", USAGE)
    if amount is None:
        return None
    try:
        return Price.read(f"{amount} {currency}")
    except ValueError:
        fail(f"{amount} {currency or ''}: a price must look like 12.50 EUR", USAGE)


def _report(
    sku: str, before: "Price | None", after: "Price | None", *, yes: bool, as_json: bool
) -> None:
    if as_json:
        found = {"before": str(before) if before else None, "after": str(after) if after else None}
        print_json({"sku": sku, **found, "changed": yes})
        return
    change = f"the price of {sku}: {before or 'none'} -> {after or 'none'}"
    say(change if yes else f"would change {change}; add --yes to apply")
