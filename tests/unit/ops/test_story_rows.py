"""A story is read from rows, also where the text of an event is in S3."""

from support.builders import a_payment, an_envelope, encoded

from workers.aws.references import attributes_of
from workers.envelope import Encoded
from workers.ops.story import StoryEvent
from workers.ops.story_rows import order_of, outcomes_of
from workers.pointer import Pointer

CAUSE = an_envelope()
OUTCOME = Encoded.of(CAUSE.then(a_payment(), source="payment"))
REFERENCE = Pointer("payloads", "key").text


def a_row(*outcomes):
    return {
        "pk": {"S": f"inbox#g1#{CAUSE.key}"},
        "at": {"S": "2026-01-02T12:00:01+00:00"},
        "outcomes": {"L": [{"S": outcome.body} for outcome in outcomes]},
        **attributes_of(outcomes),
    }


def test_an_outcome_in_s3_is_told_from_the_row_alone():
    stored = Encoded(OUTCOME.event_id, REFERENCE, OUTCOME.attributes)

    told, plain = outcomes_of(a_row(stored, encoded(event_id="event-9")))

    assert told == StoryEvent(
        OUTCOME.event_id,
        "payment.completed",
        "payment",
        "2026-01-02T12:00:01+00:00",
        cause=CAUSE.event_id,
    )
    assert plain.event_id == "event-9"


def test_a_row_without_references_is_what_earlier_versions_wrote():
    assert set(a_row(OUTCOME)) == {"pk", "at", "outcomes"}


def test_the_order_of_an_event_in_s3_is_not_known():
    assert order_of(REFERENCE) == ""
