"""Interleaves handlers and operators on the stock of one store: each reads, and commits later."""

import random
from itertools import count

from support.builders import a_cancellation, a_line, a_shipment, an_order
from support.fakes import FakeStore
from workers.events import OrderCancelled, OrderCreated, OrderShipped
from workers.runtime.errors import Conflict, TransientError
from workers.runtime.handler import Handlers, handles
from workers.runtime.ports import Between, Transaction
from workers.services.buckets import NotEnough, adjust, arrange
from workers.services.inventory import Inventory
from workers.services.stock import listed


class OldInventory:
    """What inventory did before there were buckets: it knows the first row only."""

    @handles
    def reserve(self, order: OrderCreated, tx: Transaction) -> None:
        key = f"reservation#{order.order_id}"
        if tx.get(key, creating=True):
            return
        rows = {line.sku: tx.get(f"stock#{line.sku}") or {} for line in order.items}
        if any(rows[line.sku].get("available", 0) < line.quantity for line in order.items):
            short = [{"sku": x.sku, "quantity": x.quantity, "available": 0} for x in order.items]
            tx.put(key, {"state": "failed", "shortages": short})
            return
        for line in order.items:
            amounts = {"available": -line.quantity, "reserved": line.quantity}
            tx.add(f"stock#{line.sku}", amounts, where=Between("available", line.quantity))
        items = [{"sku": line.sku, "quantity": line.quantity} for line in order.items]
        tx.put(key, {"state": "reserved", "items": items})

    @handles
    def release(self, order: OrderCancelled, tx: Transaction) -> None:
        self._settle(order, tx, "released", lambda n: {"available": n, "reserved": -n})

    @handles
    def ship(self, order: OrderShipped, tx: Transaction) -> None:
        self._settle(order, tx, "shipped", lambda n: {"reserved": -n})

    def _settle(self, order, tx, state, amounts):
        key = f"reservation#{order.order_id}"
        match tx.get(key):
            case {"state": "reserved", "items": list(items)}:
                for line in items:
                    tx.add(f"stock#{line['sku']}", amounts(line["quantity"]))
                tx.put(key, {"state": state, "items": items})
            case None:
                tx.put(key, {"state": "cancelled"})


class Warehouse:
    """The store, the orders and the changes under way. ``total`` is what must be conserved."""

    def __init__(self, stock, threshold, seed=1, choose=None):
        self.store = FakeStore()
        self.total = {}
        for sku, available in stock.items():
            row = {"available": available, "reserved": 0, "reorderThreshold": threshold}
            self.store.seed(f"stock#{sku}", row)
            self.total[sku] = available
        self.choose = choose or random.Random(seed).randrange  # noqa: S311 - repeatable
        self.services = {False: Inventory(choose=self.choose), True: OldInventory()}
        self.outcomes = []
        self.under_way = []
        self._keys = count()

    def reserve(self, order_id, items, *, old=False):
        lines = tuple(a_line(sku, quantity=quantity) for sku, quantity in items.items())
        self._begin(self._event(an_order(order_id=order_id, items=lines), old=old))

    def release(self, order_id, *, old=False):
        self._begin(self._event(a_cancellation(order_id=order_id), old=old))

    def ship(self, order_id, *, old=False):
        self._begin(self._event(a_shipment(order_id=order_id), old=old))

    def spread(self, sku, buckets):
        self._begin(self._change(sku, lambda tx: arrange(sku, tx, buckets=buckets)))

    def set(self, sku, available):
        self._begin(self._change(sku, lambda tx: arrange(sku, tx, available=available)))

    def adjust(self, sku, number, over=4):
        def act(tx):
            return adjust(sku, number, tx, over=over, choose=self.choose)

        self._begin(self._change(sku, act))

    def finish(self, which, *, reply=True):
        """Commit something under way; after a conflict, or without a reply, it starts again."""
        if not self.under_way:
            return
        start, tx, done = self.under_way.pop(which % len(self.under_way))
        try:
            record = self.store.commit(tx, ())
        except Conflict:
            self._begin(start, tx.key)
            return
        if not record.repeated:
            done()
        if not reply:
            self._begin(start, tx.key)

    def lose_reply(self, which):
        """Commit something whose process never hears of it."""
        self.finish(which, reply=False)

    def crash(self, which):
        """Forget what is under way in a process; its message comes again."""
        if self.under_way:
            start, tx, _ = self.under_way.pop(which % len(self.under_way))
            self._begin(start, tx.key)

    def finish_all(self):
        for _ in range(10_000):
            if not self.under_way:
                return
            self.finish(0)
        raise AssertionError("conflicts without end")

    def do(self, act, *arguments, **named):
        getattr(self, act)(*arguments, **named)
        self.finish_all()

    def do_first(self, act, *arguments, **named):
        """Begin and finish something while what began earlier waits."""
        getattr(self, act)(*arguments, **named)
        self.finish(len(self.under_way) - 1)

    @property
    def stock(self):
        return {each.sku: each for each in listed(self.store.documents)}

    @property
    def rows(self):
        prefixes = ("stock#", "bucket#")
        return {key: row for key, row in self.store.documents.items() if key.startswith(prefixes)}

    def reservation(self, order_id):
        return self.store.documents.get(f"reservation#{order_id}")

    def held(self, sku, state="reserved"):
        return sum(
            line["quantity"]
            for key, row in self.store.documents.items()
            if key.startswith("reservation#") and row["state"] == state
            for line in row["items"]
            if line["sku"] == sku
        )

    def told(self, kind):
        return [each for each in self.outcomes if isinstance(each, kind)]

    def check(self, *, rows=True):
        """Units are conserved, and nothing is negative; ``rows``: not in a single row either."""
        for sku, stock in self.stock.items():
            assert stock.available >= 0
            assert stock.reserved == self.held(sku)
            shipped = self.held(sku, "shipped")
            assert stock.available + stock.reserved + shipped == self.total[sku]
        for key, row in self.rows.items():
            assert row["available"] >= 0, key
            assert not rows or row["reserved"] >= 0, key

    def _begin(self, start, key=None):
        tx = self.store.begin(key or f"test#{next(self._keys)}")
        try:
            done = start(tx)
        except Conflict:
            self.under_way.append((start, tx, lambda: None))
            tx.writes["stale"] = _refuse
            return
        except (NotEnough, TransientError):
            return
        self.under_way.append((start, tx, done))

    def _event(self, event, *, old):
        def start(tx):
            outcomes = Handlers(self.services[old]).handle(event, tx)
            return lambda: self.outcomes.extend(outcomes)

        return start

    def _change(self, sku, act):
        def start(tx):
            before, after = act(tx)

            def done():
                self.total[sku] += after.available - before.available

            return done

        return start


def _refuse(_found):
    raise Conflict("the handler found units on the move")
