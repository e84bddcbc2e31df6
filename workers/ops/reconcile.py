"""Compares orders, payments, ledger, refunds, reservations, stock, mails and outbox.

Three scans, in constant memory: orders against their books, payments and reservations against
orders, and the stock against the sum of the reservations. What seems to differ is looked at again:
whatever moved within the grace time, or still waits in a queue, is in progress and no difference.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from workers.aws.batch_get import batch_get
from workers.aws.items import to_document
from workers.aws.outbox import Outbox
from workers.aws.scans import scan
from workers.ops.books import Library, reservation_of
from workers.ops.reconcile_rules import Difference, differences_of, mails_of
from workers.ops.story import MISSING, Story
from workers.ops.trace import Tracer
from workers.services.inventory import PREFIX as RESERVATION
from workers.services.order import Order, key_of
from workers.services.stock import BUCKET, Stock, sku_of
from workers.services.stock import PREFIX as STOCK

Versions: TypeAlias = frozenset[tuple[str, str]]  # keys of rows, and their versions

GRACE: Final = timedelta(minutes=10)
AT_ONCE: Final = 10  # orders whose books fit into one request of 100 keys
MOST_WAITING: Final = 100  # unpublished events of a shard that are named


@dataclass
class Reconciliation:
    """One run. ``orders``, ``in_progress`` and ``busy`` count while ``differences`` yields."""

    library: Library
    now: datetime
    backlog: Callable[[str], int]  # messages that wait for a service
    grace: timedelta = GRACE
    orders: int = 0
    in_progress: int = 0  # orders that seemed to differ, and still move
    busy: list[str] = field(default_factory=list)  # items that were sold during the comparison
    _backlogs: dict[str, int] = field(default_factory=dict)

    def differences(self) -> Iterator[Difference]:
        """Yield the differences as they are found. Raises the errors of ``runtime.ports``."""
        yield from self._of_orders()
        yield from self._without_order("payment", "payment#")
        yield from self._of_reservations()
        yield from self._of_outbox()

    def _of_orders(self) -> Iterator[Difference]:
        for items in self._scanned("orders", "order#"):
            rested = [order for item in items if self._rests(order := Order.of(to_document(item)))]
            self.orders += len(items)
            for start in range(0, len(rested), AT_ONCE):
                yield from self._compare(rested[start : start + AT_ONCE])

    def _rests(self, order: Order) -> bool:
        changed = max((entry.at for entry in order.history), default=order.created_at)
        return changed <= self.now - self.grace

    def _compare(self, orders: Sequence[Order]) -> Iterator[Difference]:
        kinds = {kind for order in orders for kind in mails_of(order)}
        books = self.library.read([order.order_id for order in orders], kinds)
        for order in orders:
            if any(differences_of(order, books[order.order_id])):
                yield from self._look_again(order.order_id)

    def _look_again(self, order_id: str) -> Iterator[Difference]:
        """Read the order again, then its story: if nothing moved until then, the records hold."""
        orders = self.library.table("orders"), key_of(order_id)
        item = batch_get(self.library.dynamodb, [orders]).get(orders)
        if item is None:
            return
        order = Order.of(to_document(item))
        books = self.library.read([order_id], mails_of(order))[order_id]
        found = list(differences_of(order, books))
        if found and self._moves(self._tracer.trace(order_id)):
            self.in_progress += 1
        else:
            yield from found

    def _moves(self, story: Story | None) -> bool:
        if story is None:
            return False
        since = (self.now - self.grace).isoformat()
        if _later(story.last_at, since):
            return True
        return any(
            delivery.state == MISSING and self._may_wait(delivery.service, event.at)
            for event in story.events
            for delivery in event.deliveries
        )

    def _may_wait(self, service: str, at: str) -> bool:
        """Return whether an event may still be in the queue of a service."""
        kept = timedelta(seconds=self.library.topology.services[service].retention)
        if not _later(at, (self.now - kept).isoformat()):
            return False
        if service not in self._backlogs:
            self._backlogs[service] = self.backlog(service)
        return self._backlogs[service] > 0

    def _without_order(self, service: str, prefix: str) -> Iterator[Difference]:
        for items in self._scanned(service, prefix):
            yield from self._phantoms(service, prefix, items)

    def _phantoms(self, service: str, prefix: str, items: Sequence[Any]) -> Iterator[Difference]:
        table = self.library.table("orders")
        ids = [item["pk"]["S"].removeprefix(prefix) for item in items]
        found = batch_get(self.library.dynamodb, [(table, key_of(each)) for each in ids])
        for each in ids:
            if (table, key_of(each)) not in found:
                what = f"{service} has a record, but there is no such order"
                action = "was the table of the orders restored? See docs/RESTORE.md"
                yield Difference("no_order", each, what, action)

    def _of_reservations(self) -> Iterator[Difference]:
        """Compare each reservation with its order, and their sum with the stock.

        Every reservation changes the version of its items' stock. So the sum is exact for an item
        whose version is the same before and after the scan; others are ``busy``.
        """
        before, held = self._stock(), Counter[str]()
        for items in self._scanned("inventory", RESERVATION):
            yield from self._phantoms("inventory", RESERVATION, items)
            for reservation in map(reservation_of, items):
                if reservation.state == "reserved":
                    for sku, units in reservation.items:
                        held[sku] += units
        after = self._stock()
        for sku in sorted(before.keys() | after.keys() | held.keys()):
            if before.get(sku) != after.get(sku):
                self.busy.append(sku)
            elif (reserved := after[sku][0] if sku in after else 0) != held[sku]:
                what = f"{reserved} units are reserved, the orders hold {held[sku]}"
                action = f"look: workers stock show {sku}; a person has to correct the row"
                yield Difference("stock_total", sku, what, action)

    def _stock(self) -> dict[str, tuple[int, Versions]]:
        """Return the reserved units of each item, and the versions of its buckets."""
        rows: dict[str, dict[str, Any]] = {}
        for items in self._scanned("inventory", STOCK, BUCKET):
            for item in items:
                key = item["pk"]["S"]
                rows.setdefault(str(sku_of(key)), {})[key] = item
        return {
            sku: (
                Stock.read(sku, None, map(to_document, items.values())).reserved,
                frozenset((key, item["version"]["N"]) for key, item in items.items()),
            )
            for sku, items in rows.items()
        }

    def _of_outbox(self) -> Iterator[Difference]:
        outbox, since = self._outbox, self.now - self.grace
        for shard in range(outbox.SHARDS):
            for row in outbox.waiting(shard, MOST_WAITING):
                if row.since <= since:
                    what = f"committed at {row.since.isoformat()}, not published"
                    yield Difference("unpublished", row.event_id, what, "workers outbox list")
        for row in outbox.stuck():
            what, action = f"set aside: {row.problem}", f"workers outbox retry {row.event_id}"
            yield Difference("unpublished", row.event_id, what, action)

    def _scanned(self, service: str, *prefixes: str) -> Iterator[Sequence[Any]]:
        names = {f":prefix{n}": {"S": prefix} for n, prefix in enumerate(prefixes)}
        request = {
            "TableName": self.library.table(service),
            "ConsistentRead": True,
            "FilterExpression": " OR ".join(f"begins_with(pk, {name})" for name in names),
            "ExpressionAttributeValues": names,
        }
        yield from (page.items for page in scan(self.library.dynamodb, request) if page.items)

    @property
    def _outbox(self) -> Outbox:
        return Outbox(self.library.dynamodb, self.library.table("orders"))

    @property
    def _tracer(self) -> Tracer:
        library = self.library
        return Tracer(library.dynamodb, library.settings, library.topology)


def _later(at: str, than: str) -> bool:
    return bool(at) and datetime.fromisoformat(at) > datetime.fromisoformat(than)
