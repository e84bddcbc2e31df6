"""The message attributes of a dead letter, over several redrives."""

from dataclasses import replace

import pytest
from support.builders import a_message

from workers.runtime.dead_letter import attributes_of, first_failure, first_id, redrives
from workers.runtime.ports import Failure

MAX_ATTRIBUTES = 10
FAILURE = Failure("no", "permanent", 2, trail="receive 1", stack="0123456789ab", key="shop#event-1")


def redriven(message, attributes, new_id="message-2"):
    return replace(message, id=new_id, attributes=attributes)


def test_a_dead_letter_has_no_more_attributes_than_sqs_accepts():
    letter = attributes_of(a_message(), FAILURE, "2026-01-01T12:00:00+00:00")

    assert len(letter) == MAX_ATTRIBUTES
    assert all(letter.values())


def test_a_message_from_the_topic_was_never_dead_lettered():
    message = a_message(id="message-1")

    assert (first_id(message), first_failure(message), redrives(message)) == ("message-1", "", 0)


def test_a_redriven_message_keeps_its_first_failure_and_counts_its_redrives():
    message = a_message(id="message-1")
    first = attributes_of(message, FAILURE, "2026-01-01T12:00:00+00:00")
    again = redriven(message, first, "message-2")
    second = attributes_of(again, FAILURE, "2026-01-02T12:00:00+00:00")
    third = attributes_of(
        redriven(again, second, "message-3"), FAILURE, "2026-01-03T12:00:00+00:00"
    )

    assert third["failure.first_at"] == "2026-01-01T12:00:00+00:00"
    assert third["failure.at"] == "2026-01-03T12:00:00+00:00"
    assert third["source.messageId"] == "message-1"
    assert [each["failure.redrives"] for each in (first, second, third)] == ["0", "1", "2"]


def test_a_dead_letter_of_the_previous_version_has_only_the_time_of_its_last_failure():
    before = {
        "failure.type": "malformed",
        "failure.at": "2026-01-01T12:00:00+00:00",
        "source.messageId": "message-1",
    }
    again = attributes_of(redriven(a_message(), before), FAILURE, "2026-01-02T12:00:00+00:00")

    assert again["failure.first_at"] == "2026-01-01T12:00:00+00:00"
    assert (again["failure.redrives"], again["source.messageId"]) == ("1", "message-1")


@pytest.mark.parametrize("nonsense", ["", "-1", "one", "²", "9" * 5_000])
def test_attributes_that_someone_else_wrote_do_no_harm(nonsense):
    sent = {
        "failure.type": "x",
        "failure.redrives": nonsense,
        "failure.first_at": "x" * 1_000,
        "source.messageId": "ada@example.com",
    }

    letter = attributes_of(redriven(a_message(), sent), FAILURE, "2026-01-02T12:00:00+00:00")

    assert letter["failure.redrives"] == "1"
    assert len(letter["failure.first_at"]) < 50
    assert letter["source.messageId"] == "message-2"
