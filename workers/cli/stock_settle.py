"""``workers stock settle``."""

from typing import Annotated

import typer

from workers.cli.console import USAGE, Json, Yes, connect, counted, fail, print_json, say
from workers.topology import Topology


def settle(
    order_id: Annotated[str | None, typer.Argument(metavar="[ORDER_ID]", help="The order.")] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every shipped order that holds units; reads the table.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take the units of a shipped order out of the stock, if inventory missed that it shipped.

    Safe to repeat: a reservation is taken out once.
    """
    from workers.aws.identity import caller
    from workers.ops import stock_settle
    from workers.ops.audit import record
    from workers.ops.books import Library

    if everything == (order_id is not None):
        fail("give either ORDER_ID or --all", USAGE)
    settings, clients = connect()
    library = Library(clients.dynamodb(), settings, Topology.load())
    if order_id is None:
        orders = list(stock_settle.held_by_shipped(library))
    else:
        orders = stock_settle.orders_of(library, [order_id])
        if not orders or not stock_settle.has_shipped(orders[0]):
            fail(f"no order {order_id!r} has shipped. See: workers order show", USAGE)
        held = library.read([order_id], ())[order_id].reservation
        orders = orders if held and held.state == "reserved" else []
    if yes and orders:
        with record(
            library.dynamodb,
            library.table("inventory"),
            by=caller(clients),
            action="stock settle",
            reason=reason,
            count=len(orders),
            detail={"order": order_id or "all"},
        ) as it:
            it.count = 0
            for order in orders:
                stock_settle.settle(library, order)
                it.count += 1
    if as_json:
        print_json({"orders": [order.order_id for order in orders], "settled": yes})
    elif yes:
        say(f"took the units of {counted(len(orders), 'order')} out of the stock")
    else:
        say(f"would take the units of {counted(len(orders), 'order')} out; add --yes to apply")
