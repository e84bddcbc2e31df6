"""Every ``Store`` behaves like this."""

from decimal import Decimal

import pytest
from support.builders import a_payment, an_envelope

from workers.aws.failure_rows import MAX_KEPT
from workers.envelope import Encoded
from workers.glimpse import Glimpse
from workers.pointer import SIZE, Pointer
from workers.runtime.errors import Conflict, LeaseLost, PermanentError
from workers.runtime.ports import (
    Attempt,
    AttemptLog,
    Between,
    FailedAttempt,
    FailureLog,
    Handling,
    Record,
)

CAUSE = an_envelope()
OUTCOME = Encoded.of(CAUSE.then(a_payment(), source="payment"))


def save(store, key, document, cause="first"):
    tx = store.begin(f"save#{key}#{cause}")
    tx.get(key)
    tx.put(key, document)
    store.commit(tx, ())


def load(store, key):
    return store.begin("reader").get(key)


def test_a_document_that_was_never_written_is_none(store):
    assert load(store, "order#1") is None


def test_a_committed_document_can_be_read(store):
    save(store, "order#1", {"state": "pending"})

    assert load(store, "order#1") == {"state": "pending"}


def test_nothing_shows_before_the_commit(store):
    tx = store.begin(CAUSE.key)
    tx.get("order#1")
    tx.put("order#1", {"state": "pending"})
    tx.add("hour#1", {"orders": 1})

    assert load(store, "order#1") is None
    assert load(store, "hour#1") is None


def test_a_document_survives_with_its_types(store):
    document = {
        "text": "naïve ☃ 𝄞 \n",
        "empty": "",
        "whole": 3,
        "negative": -7,
        "largest": 10**38 - 1,
        "fraction": Decimal("0.05"),
        "yes": True,
        "nothing": None,
        "list": [1, "two", [Decimal("3.5")]],
        "map": {"with.dots": 1, "pk": "inside, no field of the table"},
    }

    save(store, "order#1", document)

    found = load(store, "order#1")
    assert found == document
    assert [type(found[name]) for name in ("whole", "fraction", "yes")] == [int, Decimal, bool]


def test_a_whole_number_comes_back_as_int(store):
    save(store, "order#1", {"total": Decimal("30.00")})

    assert type(load(store, "order#1")["total"]) is int


def test_fields_unknown_to_a_writer_stay(store):
    save(store, "payment#1", {"state": "completed", "giftCard": {"used": Decimal("1.5")}})

    save(store, "payment#1", {"state": "refunded"}, "second")

    assert load(store, "payment#1") == {"state": "refunded", "giftCard": {"used": Decimal("1.5")}}


def test_a_field_is_removed_by_setting_it_to_none(store):
    save(store, "payment#1", {"state": "completed", "reason": "old"})

    save(store, "payment#1", {"state": "refunded", "reason": None}, "second")

    assert load(store, "payment#1") == {"state": "refunded", "reason": None}


@pytest.mark.parametrize(
    "document",
    [
        {"price": 1.5},
        {"prices": [{"price": 1.5}]},
        {"digits": 10**38 + 1},
        {"pk": "mine"},
        {"version": 1},
        {"expires": 1},
        {"outboxShard": "0"},
    ],
    ids=str,
)
def test_an_unstorable_document_is_a_permanent_error(store, document):
    tx = store.begin(CAUSE.key)
    tx.get("order#1")

    with pytest.raises(PermanentError):
        tx.put("order#1", document)


def test_a_document_over_400_kib_is_a_permanent_error(store):
    with pytest.raises(PermanentError):
        save(store, "order#1", {"text": "x" * 400 * 1024})


def test_more_than_100_writes_are_a_permanent_error(store):
    tx = store.begin(CAUSE.key)
    for number in range(100):
        tx.add(f"counter#{number}", {"count": 1})

    with pytest.raises(PermanentError):
        store.commit(tx, ())


def test_more_than_4_mib_in_one_transaction_are_a_permanent_error(store):
    tx = store.begin(CAUSE.key)
    for number in range(11):
        tx.get(f"order#{number}")
        tx.put(f"order#{number}", {"text": "x" * 399 * 1024})

    with pytest.raises(PermanentError):
        store.commit(tx, ())

    assert load(store, "order#0") is None


def test_a_repeat_returns_the_first_outcomes_and_writes_nothing(store):
    first = store.begin(CAUSE.key, fingerprint="abc")
    first.add("hour#1", {"orders": 1})
    done = store.commit(first, (OUTCOME,))

    second = store.begin(CAUSE.key, fingerprint="other")
    second.add("hour#1", {"orders": 1})
    repeated = store.commit(second, ())

    assert (done.outcomes, done.repeated) == ((OUTCOME,), False)
    assert (repeated.outcomes, repeated.repeated) == ((OUTCOME,), True)
    assert repeated.fingerprint == "abc"
    assert load(store, "hour#1") == {"orders": 1}


def test_a_repeat_is_no_conflict_even_if_a_document_has_changed(store):
    late = store.begin(CAUSE.key)
    late.get("order#1")
    late.put("order#1", {"state": "late"})
    quick = store.begin(CAUSE.key)
    quick.get("order#1")
    quick.put("order#1", {"state": "quick"})
    store.commit(quick, (OUTCOME,))

    record = store.commit(late, ())

    assert record.repeated
    assert record.outcomes == (OUTCOME,)
    assert load(store, "order#1") == {"state": "quick"}


def test_recall_finds_a_handled_event(store):
    store.commit(store.begin(CAUSE.key, fingerprint="abc"), (OUTCOME,))

    record = store.recall(CAUSE.key)

    assert (record.outcomes, record.repeated, record.fingerprint) == ((OUTCOME,), True, "abc")


def test_recall_does_not_find_an_uncommitted_event(store):
    store.begin(CAUSE.key).add("hour#1", {"orders": 1})

    assert store.recall(CAUSE.key) is None


def test_a_change_since_the_read_is_a_conflict_and_nothing_is_written(store):
    save(store, "order#1", {"state": "pending"})
    slow, quick = store.begin("a#slow"), store.begin("a#quick")
    for tx, state in ((slow, "cancelled"), (quick, "shipped")):
        tx.get("order#1")
        tx.put("order#1", {"state": state})
        tx.add("hour#1", {state: 1})
    store.commit(quick, ())

    with pytest.raises(Conflict):
        store.commit(slow, (OUTCOME,))

    assert load(store, "order#1") == {"state": "shipped"}
    assert load(store, "hour#1") == {"shipped": 1}
    assert store.recall("a#slow") is None


def test_a_document_created_since_it_was_found_absent_is_a_conflict(store):
    slow = store.begin("a#slow")
    slow.get("order#1")
    slow.put("order#1", {"state": "slow"})
    save(store, "order#1", {"state": "quick"})

    with pytest.raises(Conflict):
        store.commit(slow, ())


def test_a_counter_added_to_since_the_read_is_a_conflict_for_a_put(store):
    slow = store.begin("a#slow")
    slow.get("stock#tea")
    slow.put("stock#tea", {"available": 0})
    quick = store.begin("a#quick")
    quick.add("stock#tea", {"available": 5})
    store.commit(quick, ())

    with pytest.raises(Conflict):
        store.commit(slow, ())


def test_a_document_must_be_read_before_it_is_put(store):
    with pytest.raises(LookupError):
        store.begin(CAUSE.key).put("order#1", {})


def test_an_optimistic_transaction_creates_without_a_read(store):
    tx = store.begin(CAUSE.key, optimistic=True)

    assert tx.get("order#1", creating=True) is None
    tx.put("order#1", {"state": "pending"})
    store.commit(tx, ())

    assert load(store, "order#1") == {"state": "pending"}


def test_creating_an_existing_document_is_a_conflict(store):
    save(store, "order#1", {"state": "cancelled"})
    tx = store.begin(CAUSE.key, optimistic=True)
    assert tx.get("order#1", creating=True) is None
    tx.put("order#1", {"state": "pending"})

    with pytest.raises(Conflict):
        store.commit(tx, ())

    assert load(store, "order#1") == {"state": "cancelled"}


def test_a_document_to_be_created_must_be_written(store):
    tx = store.begin(CAUSE.key, optimistic=True)
    tx.get("order#1", creating=True)

    with pytest.raises(LookupError):
        store.commit(tx, ())


@pytest.mark.parametrize(("optimistic", "creating"), [(True, False), (False, True)])
def test_only_an_optimistic_transaction_that_creates_skips_the_read(store, optimistic, creating):
    save(store, "order#1", {"state": "pending"})
    tx = store.begin(CAUSE.key, optimistic=optimistic)

    assert tx.get("order#1", creating=creating) == {"state": "pending"}


def test_a_document_is_written_once_per_transaction(store):
    tx = store.begin(CAUSE.key)
    tx.add("hour#1", {"orders": 1})
    tx.get("hour#1")

    with pytest.raises(PermanentError):
        tx.put("hour#1", {"orders": 1})
    with pytest.raises(PermanentError):
        tx.add("hour#1", {"orders": 1}, where=Between("orders", low=0))


def test_a_conditional_addition_is_not_added_to(store):
    tx = store.begin(CAUSE.key)
    tx.add("hour#1", {"orders": 1}, where=Between("orders", low=0))

    with pytest.raises(PermanentError):
        tx.add("hour#1", {"orders": 1})


def test_additions_to_a_document_add_up(store):
    tx = store.begin(CAUSE.key)
    tx.add("hour#1", {"orders": 1, "revenue.EUR": Decimal("12.30")})
    tx.add("hour#2", {"orders": 1})
    tx.add("hour#1", {"orders": 2, "revenue.EUR": 3, "revenue.USD": Decimal("-0.10")})
    store.commit(tx, ())

    assert load(store, "hour#1") == {
        "orders": 3,
        "revenue.EUR": Decimal("15.30"),
        "revenue.USD": Decimal("-0.10"),
    }
    assert load(store, "hour#2") == {"orders": 1}


def together(store, *keys, guard=lambda: None, optimistic=True):
    """Start a transaction that handles several events, and count them."""
    handlings = {
        key: Handling(f"message-{key}", 1, 1.0, 2.0, worker="worker-1", version="1") for key in keys
    }
    tx = store.begin_together(handlings, guard=guard, optimistic=optimistic)
    tx.add("hour#1", {"orders": len(keys)})
    return tx


def test_events_handled_together_are_each_on_record(store):
    assert store.commit_together(together(store, "a#1", "a#2", "a#3")) == frozenset()

    assert load(store, "hour#1") == {"orders": 3}
    for key in ("a#1", "a#2", "a#3"):
        assert store.recall(key) == Record((), repeated=True)
    assert store.recall("a#4") is None


def test_nothing_is_written_for_a_batch_with_an_event_that_was_handled_before(store):
    store.commit(store.begin("a#2"), (OUTCOME,))

    assert store.commit_together(together(store, "a#1", "a#2", "a#3", "a#4")) == {"a#2"}

    assert load(store, "hour#1") is None
    assert store.recall("a#1") is None
    assert store.recall("a#2").outcomes == (OUTCOME,)
    assert store.commit_together(together(store, "a#1", "a#3", "a#4")) == frozenset()
    assert load(store, "hour#1") == {"orders": 3}


def test_a_batch_whose_reply_was_lost_is_found_handled(store):
    store.commit_together(together(store, "a#1", "a#2"))

    assert store.commit_together(together(store, "a#1", "a#2")) == {"a#1", "a#2"}
    assert load(store, "hour#1") == {"orders": 2}


def test_a_batch_with_a_conflict_writes_nothing(store):
    save(store, "order#1", {"state": "pending"})
    tx = together(store, "a#1", "a#2")
    assert tx.get("order#1", creating=True) is None
    tx.put("order#1", {"state": "confirmed"})

    with pytest.raises(Conflict):
        store.commit_together(tx)

    assert store.recall("a#1") is store.recall("a#2") is None
    assert load(store, "hour#1") is None


def test_a_batch_of_more_writes_than_a_transaction_takes_is_refused(store):
    with pytest.raises(PermanentError):
        store.commit_together(together(store, *(f"a#{n}" for n in range(100))))

    assert store.recall("a#0") is None


def test_a_batch_asks_whether_its_leases_hold(store):
    held = [True]

    def guard():
        if not held[0]:
            raise LeaseLost("expired")

    tx = together(store, "a#1", "a#2", guard=guard)
    held[0] = False

    with pytest.raises(LeaseLost):
        tx.add("hour#2", {"orders": 1})
    with pytest.raises(LeaseLost):
        store.commit_together(tx)
    assert store.recall("a#1") is None


def test_a_second_read_returns_the_same_and_a_read_document_is_a_copy(store):
    save(store, "order#1", {"lines": ["tea"]})
    tx = store.begin(CAUSE.key)
    tx.get("order#1")["lines"].append("coffee")
    quick = store.begin("a#quick")
    quick.add("order#1", {"count": 1})
    store.commit(quick, ())

    assert tx.get("order#1") == {"lines": ["tea"]}


def test_a_document_is_copied_when_it_is_put(store):
    tx = store.begin(CAUSE.key)
    tx.get("order#1")
    document = {"lines": ["tea"]}
    tx.put("order#1", document)
    document["lines"].append("coffee")
    store.commit(tx, ())

    assert load(store, "order#1") == {"lines": ["tea"]}


def test_additions_do_not_conflict(store):
    first, second = store.begin("a#1"), store.begin("a#2")
    first.add("hour#1", {"order.created": 1, "revenue.EUR": Decimal("12.30")})
    second.add("hour#1", {"order.created": 1, "revenue.EUR": Decimal("0.05")})
    store.commit(first, ())
    store.commit(second, ())

    assert load(store, "hour#1") == {"order.created": 2, "revenue.EUR": Decimal("12.35")}


def test_adding_keeps_the_other_fields(store):
    save(store, "stock#tea", {"available": 5, "name": "tea"})
    tx = store.begin(CAUSE.key)
    tx.add("stock#tea", {"available": -2, "reserved": 2})
    store.commit(tx, ())

    assert load(store, "stock#tea") == {"available": 3, "reserved": 2, "name": "tea"}


def test_adding_to_a_string_is_a_permanent_error(store):
    save(store, "order#1", {"state": "pending"})
    tx = store.begin(CAUSE.key)
    tx.add("order#1", {"state": 1})

    with pytest.raises(PermanentError):
        store.commit(tx, ())


@pytest.mark.parametrize(
    "where",
    [
        Between("available", low=5),
        Between("available", high=5),
        Between("available", low=5, high=5),
        Between("available", low=-1, high=100),
        Between("available"),
        Between("available", low=5, also=Between("buckets", high=4, also=Between("kept", 1, 1))),
    ],
    ids=str,
)
def test_a_counter_within_its_bounds_is_changed(store, where):
    others = {"buckets": 4, "kept": 1}
    save(store, "stock#tea", {"available": 5} | others)
    tx = store.begin(CAUSE.key)
    tx.add("stock#tea", {"available": -1}, where=where)
    store.commit(tx, ())

    assert load(store, "stock#tea") == {"available": 4} | others


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"available": 5}, Between("available", low=6)),
        ({"available": 5}, Between("available", high=4)),
        ({"available": 5}, Between("available", low=6, high=9)),
        ({"available": 5}, Between("reserved", low=0)),
        ({"available": 5}, Between("available", low=5, also=Between("kept", low=0))),
        ({"available": 5, "kept": 1}, Between("available", low=5, also=Between("kept", 2))),
        ({"available": 5, "kept": 1}, Between("available", low=6, also=Between("kept", 1))),
        ({"available": 5}, Between("reserved")),
        (None, Between("available", high=9)),
        (None, Between("available")),
    ],
    ids=str,
)
def test_a_counter_out_of_bounds_or_absent_is_a_conflict_and_nothing_is_written(
    store, document, where
):
    if document:
        save(store, "stock#tea", document)
    tx = store.begin(CAUSE.key)
    tx.add("stock#tea", {"available": -1}, where=where)
    tx.add("hour#1", {"orders": 1})

    with pytest.raises(Conflict):
        store.commit(tx, ())

    assert load(store, "stock#tea") == document
    assert load(store, "hour#1") is None


@pytest.mark.parametrize(
    "use",
    [
        lambda tx, _: tx.get("order#1"),
        lambda tx, _: tx.put("order#1", {}),
        lambda tx, _: tx.add("order#1", {"count": 1}),
        lambda tx, store: store.commit(tx, ()),
    ],
    ids=["get", "put", "add", "commit"],
)
def test_a_transaction_cannot_be_used_once_its_guard_refuses(store, use):
    def lost():
        raise LeaseLost

    tx = store.begin(CAUSE.key, guard=lost)

    with pytest.raises(LeaseLost):
        use(tx, store)

    assert store.recall(CAUSE.key) is None


def an_attempt(receive_count, error=""):
    return Attempt(receive_count, "2026-01-02T12:00:00+00:00", "worker-1", error)


def test_a_message_that_never_failed_has_no_attempts_on_record(store):
    assert store.attempts("message-1") == AttemptLog()


def test_attempts_are_on_record_by_message_and_delivery(store):
    first, third = an_attempt(1, "ValueError: ☃"), an_attempt(3)
    assert store.record_attempt("message-1", third, returned=False).attempts == (third,)
    store.record_attempt("message-2", an_attempt(2), returned=False)

    assert store.record_attempt("message-1", first, returned=False).attempts == (first, third)
    assert store.attempts("message-1") == AttemptLog((first, third), returned=0)
    assert store.recall("message-1") is None


def test_recording_the_same_delivery_again_replaces_its_attempt(store):
    """The request was repeated, or the result of a started attempt became known."""
    store.record_attempt("message-1", an_attempt(2), returned=False)
    ended = an_attempt(2, "ValueError: a bug")

    assert store.record_attempt("message-1", ended, returned=True) == AttemptLog((ended,), 2)


def test_an_excused_attempt_is_removed_from_the_record(store):
    store.record_attempt("message-1", an_attempt(2), returned=False)
    store.record_attempt("message-1", an_attempt(3), returned=False)

    store.excuse_attempt("message-1", 3, returned=False)
    assert store.attempts("message-1") == AttemptLog((an_attempt(2),), returned=0)
    store.excuse_attempt("message-1", 4, returned=True)
    assert store.attempts("message-1") == AttemptLog((an_attempt(2),), returned=4)


def test_an_unrecorded_delivery_can_be_excused(store):
    store.excuse_attempt("message-1", 1, returned=True)

    assert store.attempts("message-1") == AttemptLog((), returned=1)


ABOUT = Glimpse("order.created", "event-1", "shop", "story-1", "0af7", {"orderId": "order-1"})


def a_failure(receive_count=1, **changes):
    fields = {
        "message_id": "message-1",
        "receive_count": receive_count,
        "at": f"2026-01-02T12:00:{receive_count:02}.000+00:00",
        "type": "ValueError",
        "reason": "a bug ☃",
        "outcome": "retried",
        "attempt": receive_count,
        "stack": "0123456789ab",
        "frame": "workers.services.payment:Payment.charge",
        "worker": "worker-1",
        "version": "0123456789ab",
    }
    return FailedAttempt(**(fields | changes))


def test_an_event_that_never_failed_has_no_failures_on_record(store):
    assert store.failures("shop#event-1") == FailureLog("shop#event-1")


def test_failed_attempts_are_on_record_by_event_over_all_its_messages(store):
    second = a_failure(2)
    redriven = a_failure(1, message_id="message-2", at="2026-01-03T12:00:00.000+00:00")
    for attempt in (a_failure(1), second, redriven):
        store.record_failure("shop#event-1", ABOUT, attempt)
    store.record_failure("message#message-3", Glimpse(), a_failure(1))

    assert store.failures("shop#event-1") == FailureLog(
        "shop#event-1",
        ABOUT,
        first_at="2026-01-02T12:00:01.000+00:00",
        recorded=3,
        attempts=(a_failure(1), second, redriven),
    )
    assert store.failures("message#message-3").about == Glimpse()


def test_a_delivery_has_one_failure_on_record_the_last_that_its_worker_wrote(store):
    store.record_failure("shop#event-1", ABOUT, a_failure(1, type="worker_ended"), found=True)
    store.record_failure("shop#event-1", ABOUT, a_failure(1, type="lease_lost"))
    store.record_failure("shop#event-1", ABOUT, a_failure(1, type="worker_ended"), found=True)

    assert store.failures("shop#event-1").attempts == (a_failure(1, type="lease_lost"),)


def test_of_many_failed_attempts_the_first_and_the_newest_stay_on_record(store):
    for number in range(1, 3 * MAX_KEPT):
        store.record_failure("shop#event-1", ABOUT, a_failure(number))
        kept = [attempt.receive_count for attempt in store.failures("shop#event-1").attempts]
        assert kept[0] == 1
        assert len(kept) <= MAX_KEPT
        assert kept[-8:] == list(range(1, number + 1))[-8:]

    assert store.failures("shop#event-1").recorded == 3 * MAX_KEPT - 1


def test_a_reference_to_a_large_outcome_is_recalled_with_its_attributes(store):
    """The text says nothing of the event, and the next publish needs its attributes."""
    carried = Encoded(
        OUTCOME.event_id, Pointer("bucket", "key").text, {**OUTCOME.attributes, SIZE: "300000"}
    )
    other = Encoded.of(CAUSE.then(a_payment(), source="payment", position=1))
    store.commit(store.begin(CAUSE.key), [other, carried])
    recalled = store.recall(CAUSE.key)
    assert recalled.outcomes == (other, carried)
    assert store.commit(store.begin(CAUSE.key), [other]).outcomes == (other, carried)
