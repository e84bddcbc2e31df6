"""``workers stock``."""

from dataclasses import asdict
from typing import Annotated

import typer

from workers.cli.console import Json, connect, print_json, say, show, table_of

stock = typer.Typer(help="What the inventory has.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(stock, name="stock")


@stock.command("list", epilog="Example: workers stock list")
def stock_list(*, as_json: Json = False) -> None:
    """List every article with what is available and what is reserved."""
    from workers.ops.stock import list_stock

    settings, clients = connect()
    found = [asdict(s) for s in list_stock(clients.dynamodb(), table_of(settings, "inventory"))]
    if as_json:
        print_json(found)
    elif found:
        show(found)
    else:
        say("there are no articles; add one with: workers stock set SKU AVAILABLE")


@stock.command("set", epilog="Example: workers stock set LAPTOP-001 100 --reorder-at 10")
def stock_set(
    sku: str,
    available: Annotated[int, typer.Argument(min=0)],
    reorder_at: Annotated[int, typer.Option(min=0, help="Warn when no more is left.")] = 10,
) -> None:
    """Set how many pieces of an article are available."""
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
