"""Every event is counted once, in its hour; revenue is payments less refunds."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_payment, a_refund, an_order, low_stock

from workers.services.analytics import SHARDS, Analytics, keys_of, merge

HALF_PAST = datetime(2026, 1, 2, 13, 30, tzinfo=UTC)


def a_counter(on_stage, *, now=HALF_PAST, shard=0):
    return on_stage(Analytics(lambda: now, lambda _: shard))


def test_events_are_counted_by_type_in_the_current_hour(on_stage):
    analytics = a_counter(on_stage, shard=3)

    analytics.handle(an_order())
    analytics.handle(an_order())
    analytics.handle(low_stock())

    assert analytics.store.documents == {
        "hour#2026-01-02T13#3": {"order.created": 2, "inventory.low": 1}
    }


def test_revenue_is_payments_less_refunds(on_stage):
    analytics = a_counter(on_stage)

    analytics.handle(a_payment(amount=Decimal("10.10")))
    analytics.handle(a_payment(amount=Decimal("5.00")))
    analytics.handle(a_payment(amount=Decimal(7), currency="USD"))
    analytics.handle(a_refund(amount=Decimal("5.00")))

    assert analytics.document("hour#2026-01-02T13#0") == {
        "payment.completed": 3,
        "payment.refunded": 1,
        "revenue.EUR": Decimal("10.10"),
        "revenue.USD": 7,
    }


def test_hours_are_in_utc(on_stage):
    analytics = a_counter(on_stage, now=HALF_PAST.astimezone(timezone(timedelta(hours=14))))

    analytics.handle(an_order())

    assert list(analytics.store.documents) == ["hour#2026-01-02T13#0"]


def test_counters_are_spread_over_shards(on_stage):
    analytics = on_stage(Analytics(lambda: HALF_PAST))

    for _ in range(200):
        analytics.handle(an_order())

    assert set(analytics.store.documents) == set(keys_of(1, HALF_PAST))


def test_workers_that_count_at_once_do_not_conflict(on_stage):
    analytics = a_counter(on_stage)
    in_flight = [analytics.store.begin(f"event-{n}") for n in range(10)]
    for tx in in_flight:
        analytics.service.count([an_order()], tx)

    for tx in in_flight:
        analytics.store.commit(tx, ())  # no Conflict

    assert analytics.document("hour#2026-01-02T13#0") == {"order.created": 10}


def test_the_keys_of_recent_hours_reach_back_over_midnight():
    keys = keys_of(2, datetime(2026, 1, 2, 0, 5, tzinfo=UTC))

    assert keys == [
        f"hour#{hour}#{n}" for hour in ("2026-01-02T00", "2026-01-01T23") for n in range(SHARDS)
    ]


@given(shards=st.lists(st.integers(0, SHARDS - 1), max_size=30))
def test_the_shards_of_a_counter_add_up(on_stage, shards):
    left = list(shards)
    analytics = on_stage(Analytics(lambda: HALF_PAST, lambda _: left.pop()))
    for _ in shards:
        analytics.handle(a_payment(amount=Decimal("0.10")))

    totals = merge(analytics.document(key) for key in keys_of(1, HALF_PAST))

    n = len(shards)
    assert totals == ({"payment.completed": n, "revenue.EUR": Decimal("0.10") * n} if n else {})


@pytest.mark.parametrize("documents", [[], [None], [{}]])
def test_no_counters_add_up_to_nothing(documents):
    assert merge(documents) == {}
