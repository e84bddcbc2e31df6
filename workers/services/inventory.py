"""Inventory: reserves every line of an order or none; releases or ships them once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from workers.events import (
    InventoryFailed,
    InventoryLow,
    InventoryReleased,
    InventoryReserved,
    Line,
    LowStock,
    OrderCancelled,
    OrderCreated,
    OrderShipped,
    Shortage,
)
from workers.runtime.errors import TransientError
from workers.runtime.handler import handles
from workers.runtime.ports import Document, Transaction
from workers.services.simulation import simulated
from workers.services.stock import Stock, give_back, look, send_off, take

PREFIX: Final = "reservation#"  # of the key; the order's id follows


@dataclass(frozen=True)
class Inventory:
    """Reserves for a new order, releases for a cancelled one, ships for a shipped one."""

    allow_simulation: bool = False

    @handles
    def reserve(
        self, order: OrderCreated, tx: Transaction
    ) -> InventoryReserved | tuple[InventoryReserved, InventoryLow] | InventoryFailed | None:
        """Reserve all lines, or report the shortages."""
        key = key_of(order.order_id)
        if reservation := tx.get(key, creating=True):
            return _answer(order, reservation)
        stock, wanted = self._stock(order, tx), _quantities(order.items)

        if shortages := _shortages(order, stock, wanted):
            tx.put(key, {"state": "failed", "shortages": [s.model_dump() for s in shortages]})
            return _failed(order, shortages)

        for sku, quantity in wanted.items():
            take(stock[sku], quantity, tx)
        tx.put(key, {"state": "reserved", "items": [line.model_dump() for line in _lines(order)]})
        if low := [s for s in stock.values() if s.crosses(wanted[s.sku])]:
            return _reserved(order), _low(order, low, wanted)
        return _reserved(order)

    @handles
    def release(self, order: OrderCancelled, tx: Transaction) -> InventoryReleased | None:
        """Release the reserved lines, or keep an order that arrives later from reserving any."""
        key = key_of(order.order_id)
        match tx.get(key):
            case {"state": "reserved", "items": list(items)}:
                lines = tuple(Line.model_validate(item) for item in items)
                for sku, quantity in _quantities(lines).items():
                    give_back(sku, quantity, tx)
                tx.put(key, {"state": "released"})
                return InventoryReleased(
                    order_id=order.order_id,
                    customer_email=order.customer_email,
                    customer_id=order.customer_id,
                    items=lines,
                )
            case None:
                tx.put(key, {"state": "cancelled"})
        return None

    @handles
    def ship(self, order: OrderShipped, tx: Transaction) -> None:
        """Take the reserved units out of the stock: they have left the warehouse.

        Raises ``TransientError`` if nothing is reserved yet. An order ships only after its
        reservation, so this event overtook a repeated ``order.created``, or the table was restored.
        """
        key = key_of(order.order_id)
        match tx.get(key):
            case {"state": "reserved", "items": list(items)}:
                lines = [Line.model_validate(item) for item in items]
                for sku, quantity in _quantities(lines).items():
                    send_off(sku, quantity, tx)
                tx.put(key, {"state": "shipped", "items": items})
            case None:
                raise TransientError(f"order {order.order_id} shipped, but nothing is reserved")

    def _stock(self, order: OrderCreated, tx: Transaction) -> dict[str, Stock]:
        pretend = simulated(order, "inventory", allowed=self.allow_simulation)
        if pretend.inventory_outcome == "out_of_stock":
            return {line.sku: Stock(line.sku) for line in order.items}
        return {sku: look(sku, tx) for sku in _quantities(order.items)}


def key_of(order_id: str) -> str:
    """Return the key of an order's reservation."""
    return f"{PREFIX}{order_id}"


def _answer(
    order: OrderCreated, reservation: Document
) -> InventoryReserved | InventoryFailed | None:
    """Return the outcome of an earlier reservation: a repeated order gets the same answer."""
    match reservation:
        case {"state": "reserved" | "shipped"}:
            return _reserved(order)
        case {"state": "failed", "shortages": list(shortages)}:
            return _failed(order, [Shortage.model_validate(shortage) for shortage in shortages])
        case _:
            return None


def _quantities(lines: Iterable[Line]) -> Counter[str]:
    """Sum the ordered quantity of each item, because an order may name an item twice."""
    wanted: Counter[str] = Counter()
    for line in lines:
        wanted[line.sku] += line.quantity
    return wanted


def _shortages(
    order: OrderCreated, stock: dict[str, Stock], wanted: Counter[str]
) -> list[Shortage]:
    """List every line of each item that is short."""
    return [
        Shortage(sku=line.sku, quantity=line.quantity, available=stock[line.sku].available)
        for line in order.items
        if stock[line.sku].available < wanted[line.sku]
    ]


def _lines(order: OrderCreated) -> tuple[Line, ...]:
    return tuple(Line(sku=line.sku, quantity=line.quantity) for line in order.items)


def _reserved(order: OrderCreated) -> InventoryReserved:
    return InventoryReserved(
        order_id=order.order_id,
        customer_email=order.customer_email,
        customer_id=order.customer_id,
        items=_lines(order),
    )


def _failed(order: OrderCreated, shortages: Iterable[Shortage]) -> InventoryFailed:
    return InventoryFailed(
        order_id=order.order_id,
        customer_email=order.customer_email,
        customer_id=order.customer_id,
        shortages=tuple(shortages),
    )


def _low(order: OrderCreated, stock: Iterable[Stock], wanted: Counter[str]) -> InventoryLow:
    items = tuple(
        LowStock(
            sku=s.sku,
            available=s.available - wanted[s.sku],
            reorder_threshold=s.reorder_threshold,
        )
        for s in stock
    )
    return InventoryLow(order_id=order.order_id, items=items)
