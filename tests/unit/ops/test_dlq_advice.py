"""Each reason not to believe an event has its own advice, and a redrive warns of it."""

import pytest
from support.builders import encoded

from workers.envelope import ForeignSource
from workers.ops.dlq import DeadMessage
from workers.ops.dlq_advice import next_step, warning
from workers.ops.dlq_rows import NOTHING
from workers.runtime.errors import TooOld
from workers.services.lifecycle import WrongAmount
from workers.signing import UnknownKey, Unsigned, WrongSignature

DISTRUSTED = (ForeignSource, Unsigned, UnknownKey, WrongSignature, TooOld, WrongAmount)


def letter(failure):
    return DeadMessage(
        id="message-1",
        event_type="order.created",
        event_id="event-1",
        order_id="order-1",
        type=failure,
        reason="",
        attempts=1,
        trail="",
        failed_at="",
        receive_count=1,
        body=encoded().body,
        receipt_handle="",
    )


@pytest.mark.parametrize("error", DISTRUSTED, ids=lambda error: error.name)
def test_each_reason_not_to_believe_an_event_has_a_next_step_and_a_warning(error):
    dead = letter(error.name)
    step = next_step(dead, NOTHING, service="orders", group="5b1c")
    assert step != next_step(letter("SomeError"), NOTHING, service="orders", group="5b1c")
    assert "{" not in step
    assert warning([dead]).startswith(f"1 {error.name}: the service did not believe these")


def test_other_letters_need_no_warning():
    assert warning([letter("TimeoutError"), letter("malformed")]) == ""


def test_a_warning_counts_the_letters_of_each_reason():
    letters = [letter(name) for name in ("too_old", "unsigned", "too_old", "transient")]
    assert warning(letters).startswith("2 too_old, 1 unsigned: ")
