"""``workers order``."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from workers.cli.console import (
    USAGE,
    Json,
    connect,
    counted,
    fail,
    note,
    print_json,
    say,
    show,
    table_of,
)
from workers.cli.durations import FORM, seconds_of
from workers.topology import Topology

INTERRUPTED: Final = 75
EVERY: Final = 50  # pages between two reports of progress, about 50 MB
STATES: Final = ("pending", "confirmed", "shipped", "cancelled", "refunded")

order = typer.Typer(help="Show an order with its books, or search.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(order, name="order")

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Stop after this many orders.")]


@order.command("show", epilog="Example: workers order show 5b0c7a4e-9d6e-4c6b-8f0e-2f9b6b1f6f0a")
def order_show(
    order_id: Annotated[str | None, typer.Argument(metavar="[ORDER_ID]", help="The order.")] = None,
    *,
    email: Annotated[
        str | None,
        typer.Option(help="Show the orders of this address instead; reads the whole table."),
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal data instead of masking it.")
    ] = False,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Show the state of an order, why, its money, its stock, and what the customer was told.

    Personal data is masked. An address must be spelt as it was when the order was placed.
    """
    from workers.ops.books import Library
    from workers.ops.orders import account, search

    if (order_id is None) == (email is None):
        fail("give either ORDER_ID or --email ADDRESS", USAGE)
    settings, clients = connect()
    library = Library(clients.dynamodb(), settings, Topology.load())
    if order_id is not None:
        found = account(library, order_id)
        if found is None:
            fail(f"no order {order_id!r}. To search: workers order list, or show --email", USAGE)
        accounts = [found]
    else:
        pages = search(library.dynamodb, library.table("orders"), email=email)
        orders, rest, interrupted = _collect(pages, limit, None)
        accounts = [found for each in orders if (found := account(library, each.order_id))]
        if interrupted:
            fail(f"interrupted with {counted(len(accounts), 'order')} found", INTERRUPTED)
        if rest:
            note(f"stopped after {counted(limit, 'order')}; there may be more: raise --limit")
        if not accounts:
            fail("no order has this address", USAGE)
    documents = [each.fields(reveal=reveal) for each in accounts]
    if as_json:
        print_json(documents if order_id is None else documents[0])
        return
    for document in documents:
        _print(document)


@order.command("list", epilog="Example: workers order list --state pending --older-than 5m")
def order_list(
    *,
    state: Annotated[str | None, typer.Option(help=f"One of {', '.join(STATES)}.")] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Placed at least this long ago: 90s, 5m, 2h, 3d.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Continue a search behind this key.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """Search for orders, in no particular order.

    No index exists: a search reads the table to its end, about 8 KB per order placed, at half a
    read unit per 4 KB; for a million orders that takes minutes and about 0.15 USD. It stops after
    --limit orders and prints the key to continue from. Ctrl-C stops it too.
    """
    from workers.ops.orders import search

    if state is not None and state not in STATES:
        fail(f"no state {state!r}. States: {', '.join(STATES)}", USAGE)
    before = _before(older_than) if older_than else None
    settings, clients = connect()
    pages = search(
        clients.dynamodb(),
        table_of(settings, "orders"),
        state=state,
        created_before=before,
        after=after,
    )
    found, rest, interrupted = _collect(pages, limit, after)
    if as_json:
        print_json({"orders": [asdict(each) for each in found], "after": rest})
    elif found:
        show(asdict(each) for each in found)
    else:
        say("no such order" + (" so far" if rest or interrupted else ""))
    if rest:
        note(f"more may follow: add --after '{rest}'")
    if interrupted:
        sys.exit(INTERRUPTED)


def _before(older_than: str) -> datetime:
    seconds = seconds_of(older_than)
    if seconds is None:
        fail(f"--older-than {older_than!r}: {FORM}", USAGE)
    return datetime.now(UTC) - timedelta(seconds=seconds)


def _collect(pages: Any, limit: int, after: str | None) -> tuple[list[Any], str | None, bool]:
    """Return up to ``limit`` orders, where to go on behind, and whether somebody pressed Ctrl-C."""
    found: list[Any] = []
    rest = after
    try:
        for page in _reported(pages):
            found += page.orders
            rest = page.next_key
            if len(found) > limit:
                return found[:limit], f"order#{found[limit - 1].order_id}", False
            if len(found) == limit:
                break
    except KeyboardInterrupt:
        return found, rest, True
    return found, rest, False


def _reported(pages: Iterator[Any]) -> Iterator[Any]:
    """Pass pages on, and say now and then how far the search is."""
    rows = 0
    for number, page in enumerate(pages, start=1):
        rows += page.rows
        if number % EVERY == 0:
            note(f"read {counted(rows, 'row')}")
        yield page


def _print(document: dict[str, Any]) -> None:
    for name, value in document.items():
        label = name.replace("_", " ")
        match value:
            case [] | {} | None:
                say(f"{label}: -")
            case list():
                say(f"{label}:")
                for each in value:
                    say("  " + (_joined(each) if isinstance(each, dict) else str(each)))
            case dict():
                say(f"{label}: {_joined(value)}")
            case _:
                say(f"{label}: {value}")


def _joined(fields: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())
