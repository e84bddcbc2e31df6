"""Inventory: reserves every line of an order or none; releases or ships them once."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from workers.events import (
    InventoryFailed,
    InventoryLow,
    InventoryReleased,
    InventoryReserved,
    Line,
    OrderCancelled,
    OrderCreated,
    OrderShipped,
    Shortage,
)
from workers.runtime.errors import TransientError
from workers.runtime.handler import handles
from workers.runtime.ports import Document, Transaction
from workers.services.picking import Pick, give_back, pick, send_off
from workers.services.simulation import simulated

PREFIX: Final = "reservation#"  # of the key; the order's id follows


@dataclass(frozen=True)
class Inventory:
    """Reserves for a new order, releases for a cancelled one, ships for a shipped one."""

    allow_simulation: bool = False
    choose: Callable[[int], int] = random.randrange

    @handles
    def reserve(
        self, order: OrderCreated, tx: Transaction
    ) -> InventoryReserved | tuple[InventoryReserved, InventoryLow] | InventoryFailed | None:
        """Reserve all lines, or report the shortages."""
        key = key_of(order.order_id)
        if reservation := tx.get(key, creating=True):
            return _answer(order, reservation)
        picks = self._picks(order, tx)

        if shortages := _shortages(order, picks):
            tx.put(key, {"state": "failed", "shortages": [s.model_dump() for s in shortages]})
            return _failed(order, shortages)

        for each in picks.values():
            each.take(tx)
        tx.put(key, {"state": "reserved"} | _held(order, picks.values()))
        if low := tuple(each.low for each in picks.values() if each.low):
            return _reserved(order), InventoryLow(order_id=order.order_id, items=low)
        return _reserved(order)

    @handles
    def release(self, order: OrderCancelled, tx: Transaction) -> InventoryReleased | None:
        """Release the reserved lines, or keep an order that arrives later from reserving any."""
        key = key_of(order.order_id)
        match tx.get(key):
            case {"state": "reserved", "items": list(items), **rest}:
                lines = tuple(Line.model_validate(item) for item in items)
                for sku, held in _buckets(lines, rest).items():
                    give_back(sku, held, tx)
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
            case {"state": "reserved", "items": list(items), **rest}:
                lines = [Line.model_validate(item) for item in items]
                for sku, held in _buckets(lines, rest).items():
                    send_off(sku, held, tx)
                tx.put(key, {"state": "shipped", "items": items})
            case None:
                raise TransientError(f"order {order.order_id} shipped, but nothing is reserved")

    def _picks(self, order: OrderCreated, tx: Transaction) -> dict[str, Pick]:
        wanted = _quantities(order.items)
        pretend = simulated(order, "inventory", allowed=self.allow_simulation)
        if pretend.inventory_outcome == "out_of_stock":
            return {sku: Pick(sku, quantity) for sku, quantity in wanted.items()}
        return {sku: pick(sku, quantity, tx, self.choose) for sku, quantity in wanted.items()}


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


def _shortages(order: OrderCreated, picks: Mapping[str, Pick]) -> list[Shortage]:
    """List every line of each item that is short."""
    return [
        Shortage(sku=line.sku, quantity=line.quantity, available=picks[line.sku].available)
        for line in order.items
        if picks[line.sku].short
    ]


def _held(order: OrderCreated, picks: Iterable[Pick]) -> Document:
    """Return the reserved lines, and the buckets but the first that the units came from.

    A version that knows no buckets releases the lines, to the first bucket: the sum is the same.
    """
    document: Document = {"items": [line.model_dump() for line in _lines(order)]}
    if buckets := [
        {"sku": each.sku, "bucket": bucket, "quantity": quantity}
        for each in picks
        for bucket, quantity in each.taken.items()
        if bucket and quantity
    ]:
        document["buckets"] = buckets
    return document


def _buckets(lines: Iterable[Line], reservation: Mapping[Any, Any]) -> dict[str, dict[int, int]]:
    """Return the units of each item that the order holds, by bucket."""
    held = {sku: {0: quantity} for sku, quantity in _quantities(lines).items()}
    match reservation.get("buckets"):
        case list(others):
            for each in others:
                sku, bucket, quantity = each["sku"], each["bucket"], each["quantity"]
                held[sku][bucket] = quantity
                held[sku][0] -= quantity
    return held


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
