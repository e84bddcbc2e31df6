"""``workers stock``."""

from dataclasses import asdict
from typing import Annotated

import typer

from workers.cli.console import Json, connect, print_json, say, show, table_of
from workers.samples import REORDER_THRESHOLD

stock = typer.Typer(help="List and set the stock of the inventory.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(stock, name="stock")


@stock.command("list", epilog="Example: workers stock list")
def stock_list(*, as_json: Json = False) -> None:
    """List the available and reserved units of every item."""
    from workers.ops.stock import list_stock

    settings, clients = connect()
    found = [asdict(s) for s in list_stock(clients.dynamodb(), table_of(settings, "inventory"))]
    if as_json:
        print_json(found)
    elif found:
        show(found)
    else:
        say("the inventory has no items; add one with: workers stock set SKU AVAILABLE")


@stock.command("set", epilog="Example: workers stock set LAPTOP-001 100 --reorder-at 10")
def stock_set(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="The item.")],
    available: Annotated[int, typer.Argument(metavar="AVAILABLE", min=0, help="Units for sale.")],
    reorder_at: Annotated[
        int, typer.Option(min=0, help="Report the item when this many units are left.")
    ] = REORDER_THRESHOLD,
) -> None:
    """Set the available units of an item. Reserved units stay."""
    from workers.ops.stock import set_stock

    settings, clients = connect()
    set_stock(
        clients.dynamodb(),
        table_of(settings, "inventory"),
        sku,
        available=available,
        reorder_threshold=reorder_at,
    )
    say(f"{sku}: {available} available")
