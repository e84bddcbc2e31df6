"""A batch shrinks until nothing in it can harm the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_message, an_envelope, an_order
from support.harness import Harness

from workers.pointer import Pointer
from workers.runtime.batch import Member, after_failure, distinct, may_join, without
from workers.runtime.errors import Conflict, LeaseLost, PermanentError
from workers.runtime.observability.canonical_line import CanonicalLine

ERRORS = [LeaseLost("expired"), Conflict("others"), PermanentError("no"), ValueError("a bug")]


def a_lease(message, *, lost=False):
    leases = Harness().leases
    lease = leases.grant(message)
    if lost:
        leases.lose(lease, "expired")
    return lease


def a_member(name, *, lost=False):
    envelope = an_envelope(an_order(), event_id=str(name))
    lease = a_lease(a_message(envelope), lost=lost)
    return Member(lease, CanonicalLine(lease.message, envelope=envelope))


def members(*names):
    return [a_member(name) for name in names]


def names(group):
    return [member.envelope.event_id for member in group]


def told(split):
    return [names(batch) for batch in split.batches], names(split.alone)


def test_a_first_delivery_may_join_a_batch():
    assert may_join(a_lease(a_message()))


@pytest.mark.parametrize(
    "message",
    [
        a_message(receive_count=2),
        a_message(group="order-1"),
        a_message(Pointer("payloads", "4c4bd8b4").text),
    ],
    ids=["redelivered", "of a group", "large"],
)
def test_a_message_with_rules_of_its_own_is_handled_alone(message):
    assert not may_join(a_lease(message))


def test_a_lost_message_is_handled_alone():
    assert not may_join(a_lease(a_message(), lost=True))


def test_an_event_that_is_in_a_batch_twice_is_handled_once_and_looked_up_alone():
    batch = members("a", "b", "a", "c", "a")

    split = distinct(batch)

    assert told(split) == ([["a", "b", "c"]], ["a", "a"])
    assert split.batches[0][0] is batch[0]


def test_two_messages_with_one_event_are_no_batch():
    assert told(distinct(members("a", "a"))) == ([], ["a", "a"])


@pytest.mark.parametrize(
    ("known", "rest"),
    [({"b"}, ([["a", "c"]], [])), ({"a", "c"}, ([], ["b"])), ({"a", "b", "c"}, ([], []))],
)
def test_the_others_go_on_without_those_handled_before(known, rest):
    keys = {f"order-api#{name}" for name in known}

    assert told(without(members("a", "b", "c"), keys)) == rest


def test_a_batch_that_fails_is_halved_and_a_single_message_is_alone():
    assert told(after_failure(members(*"abcde"), ValueError())) == (
        [["a", "b"], ["c", "d", "e"]],
        [],
    )
    assert told(after_failure(members(*"abc"), PermanentError())) == ([["b", "c"]], ["a"])
    assert told(after_failure(members(*"ab"), ValueError())) == ([], ["a", "b"])


def test_after_a_conflict_that_persists_each_is_alone():
    assert told(after_failure(members(*"abc"), Conflict())) == ([], ["a", "b", "c"])


def test_a_lost_message_leaves_the_batch():
    batch = [a_member("a"), a_member("b", lost=True), a_member("c")]

    assert told(after_failure(batch, LeaseLost("expired"))) == ([["a", "c"]], ["b"])


def test_a_lost_lease_that_no_member_has_is_an_error_like_others():
    assert told(after_failure(members(*"abcd"), LeaseLost())) == ([["a", "b"], ["c", "d"]], [])


@given(lost=st.lists(st.booleans(), min_size=2, max_size=9), error=st.sampled_from(ERRORS))
def test_every_member_goes_on_once_and_every_batch_gets_smaller(lost, error):
    batch = [a_member(n, lost=here) for n, here in enumerate(lost)]

    split = after_failure(batch, error)

    onward = [member for group in (*split.batches, split.alone) for member in group]
    assert sorted(names(onward)) == sorted(names(batch))
    assert all(2 <= len(group) < len(batch) for group in split.batches)
