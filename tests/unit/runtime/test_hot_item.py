"""Hundreds of handlers take units of one item at once: some wait, and none is lost."""

import random

import pytest
from support.hot_item import PIECES, SKU, Fleet, sell

from workers.runtime.errors import Conflict


def test_every_order_gets_its_items():
    random.seed(1)
    fleet = Fleet(tasks=20, commit=0.1, read=0)
    orders = [f"order-{n}" for n in range(200)]
    needed = PIECES * len(orders)
    fleet.add_stock(needed)
    fleet.send(*orders)
    fleet.run()
    assert fleet.queue.dead_letters == []
    assert fleet.store.documents[f"stock#{SKU}"] == {
        "available": 0,
        "reserved": needed,
        "reorderThreshold": 0,
    }
    assert fleet.store.contention.refused > 2 * len(orders)  # the item really was hot
    assert all(not log.attempts for log in fleet.store.attempt_logs.values())


def test_five_hundred_orders_at_once_all_get_their_items_out_of_buckets():
    sale = sell(buckets=8, orders=500)

    assert (sale.reserved, sale.lost) == (500, 0)


def test_more_buckets_sell_faster():
    one, four, sixteen = sales = [sell(buckets, orders=120) for buckets in (1, 4, 16)]

    assert [sale.lost for sale in sales] == [0, 0, 0]
    assert four.rate > 2 * one.rate
    assert sixteen.rate > 2 * four.rate


@pytest.mark.parametrize("plain", [True, False], ids=["an UpdateItem", "a transaction"])
def test_a_write_is_refused_while_a_transaction_writes_the_same_item(plain):
    fleet = Fleet(tasks=1)
    fleet.add_stock(10)

    def take(order):
        tx = fleet.store.begin(order)
        tx.add(f"stock#{SKU}", {"available": -1})
        fleet.store.commit(tx, ())

    def interfere():
        fleet.turns.sleep(0.001)
        write = (
            (lambda: fleet.store.set(f"stock#{SKU}", {})) if plain else (lambda: take("order-2"))
        )
        with pytest.raises(Conflict):
            write()
        fleet.turns.sleep(0.1)
        take("order-2")

    fleet.turns.run(lambda: take("order-1"), interfere)
    assert fleet.stock.available == 8
