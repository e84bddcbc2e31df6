"""The SNS adapter publishes events in batches."""

from itertools import islice

import pytest
from support.builders import a_cancellation, an_envelope, an_order, encoded

from workers.aws.sns import SnsTopic
from workers.envelope import Encoded
from workers.limits import MAX_PUBLISH_BYTES
from workers.runtime.errors import PermanentError, Unavailable

ARN = "arn:aws:sns:eu-west-1:123456789012:order-events"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def sns(stubbed):
    client, stubber = stubbed("sns")
    return client, stubber, SnsTopic(client, ARN)


def accepted(*positions):
    return {
        "Successful": [
            {"Id": str(position), "MessageId": f"message-{position}"} for position in positions
        ]
    }


def batches_sent(client):
    """Record the entries of each call."""
    calls = []
    client.meta.events.register(
        "provide-client-params.sns.PublishBatch",
        lambda params, **_: calls.append(params["PublishBatchRequestEntries"]),
    )
    return calls


def events(count, size=0):
    event = a_cancellation().model_copy(update={"reason": "x" * size}) if size else None
    return [encoded(event, event_id=f"event-{number}") for number in range(count)]


def size_of(entry):
    attributes = entry["MessageAttributes"].items()
    return len(entry["Message"].encode()) + sum(
        len(name) + len(a["DataType"]) + len(a["StringValue"]) for name, a in attributes
    )


def test_an_event_has_attributes_for_filtering_and_tracing(sns):
    """Case 51: six attributes, and raw delivery allows ten."""
    client, stubber, topic = sns
    calls = batches_sent(client)
    stubber.add_response("publish_batch", accepted(0))
    topic.publish([encoded(traceparent=TRACE)])

    attributes = calls[0][0]["MessageAttributes"]
    assert {name: a["StringValue"] for name, a in attributes.items()} == {
        "eventType": "order.created",
        "eventVersion": "1.1",
        "source": "order-api",
        "eventId": "event-1",
        "correlationId": "event-1",
        "traceparent": TRACE,
    }


def test_an_event_without_a_trace_has_no_attribute_for_it(sns):
    client, stubber, topic = sns
    calls = batches_sent(client)
    stubber.add_response("publish_batch", accepted(0))
    topic.publish([encoded()])

    assert "traceparent" not in calls[0][0]["MessageAttributes"]


@pytest.mark.parametrize(
    ("count", "size", "batches"), [(10, 0, [10]), (11, 0, [10, 1]), (5, 100_000, [2, 2, 1])]
)
def test_batches_are_as_few_as_count_and_size_allow(sns, count, size, batches):
    """Case 53."""
    client, stubber, topic = sns
    calls = batches_sent(client)
    positions = iter(range(count))
    for length in batches:
        stubber.add_response("publish_batch", accepted(*islice(positions, length)))

    assert topic.publish(events(count, size)) == {}

    assert [len(entries) for entries in calls] == batches
    assert all(sum(map(size_of, entries)) <= MAX_PUBLISH_BYTES for entries in calls)
    assert [e["Id"] for entries in calls for e in entries] == [str(i) for i in range(count)]


def test_an_entry_over_the_size_limit_is_not_sent(sns):
    _, _, topic = sns

    errors = topic.publish(events(1, MAX_PUBLISH_BYTES))

    assert isinstance(errors[0], PermanentError)


def test_entries_fail_by_position_and_code_regardless_of_sender_fault(sns):
    _, stubber, topic = sns
    failed = [
        {"Id": "0", "Code": "InvalidParameter", "Message": "no", "SenderFault": True},
        {"Id": "1", "Code": "ThrottledException", "SenderFault": True},
        {"Id": "2", "Code": "InternalError", "SenderFault": False},
        {"Id": "3", "Code": "AuthorizationError", "SenderFault": True},
    ]
    stubber.add_response("publish_batch", accepted(4) | {"Failed": failed})

    errors = topic.publish(events(5))

    kinds = [PermanentError, Unavailable, Unavailable, Unavailable]
    assert {position: type(error) for position, error in errors.items()} == dict(enumerate(kinds))


@pytest.mark.parametrize(
    "code", ["InternalError", "Throttled", "ExpiredToken", "NotFound", "AuthorizationError"]
)
def test_a_call_that_fails_as_a_whole_is_an_outage_for_all_its_entries(sns, code):
    _, stubber, topic = sns
    stubber.add_client_error("publish_batch", code, http_status_code=500)

    errors = topic.publish(events(3))

    assert list(errors) == [0, 1, 2]
    assert all(isinstance(e, Unavailable) for e in errors.values())
    of = "credentials" if code == "ExpiredToken" else "sns"
    assert {error.dependency for error in errors.values()} == {of}


def test_a_batch_refused_for_one_bad_entry_is_published_one_by_one(sns):
    _, stubber, topic = sns
    stubber.add_client_error("publish_batch", "InvalidParameter", http_status_code=400)
    stubber.add_response("publish_batch", accepted(0))
    stubber.add_client_error("publish_batch", "InvalidParameter", http_status_code=400)
    stubber.add_response("publish_batch", accepted(2))

    errors = topic.publish(events(3))

    assert list(errors) == [1]
    assert isinstance(errors[1], PermanentError)


@pytest.mark.parametrize("answer", [{}, {"Successful": []}, accepted(1)])
def test_an_entry_missing_from_the_response_was_not_accepted(sns, answer):
    _, stubber, topic = sns
    stubber.add_response("publish_batch", answer)

    errors = topic.publish(events(2))

    named = {int(entry["Id"]) for entry in answer.get("Successful", ())}
    assert errors.keys() == {0, 1} - named
    assert all(isinstance(e, Unavailable) and e.dependency == "sns" for e in errors.values())


# A FIFO topic.


def of_order(order_id, number):
    return Encoded.of(an_envelope(an_order(order_id=order_id), event_id=f"event-{number}"))


@pytest.fixture
def fifo(stubbed):
    client, stubber = stubbed("sns")
    return batches_sent(client), stubber, SnsTopic(client, f"{ARN}.fifo")


def test_an_event_has_its_order_as_group_and_its_id_for_deduplication(fifo):
    calls, stubber, topic = fifo
    stubber.add_response("publish_batch", accepted(0))
    topic.publish([of_order("a", 1)])

    [[entry]] = calls
    assert (entry["MessageGroupId"], entry["MessageDeduplicationId"]) == ("a", "event-1")


def test_an_event_read_back_from_a_row_has_the_same_group(fifo):
    calls, stubber, topic = fifo
    stubber.add_response("publish_batch", accepted(0))
    topic.publish([Encoded.read(of_order("a", 1).body)])

    assert calls[0][0]["MessageGroupId"] == "a"


def test_a_request_has_one_event_of_a_group_and_the_next_follows(fifo):
    calls, stubber, topic = fifo
    stubber.add_response("publish_batch", accepted(0, 2))
    stubber.add_response("publish_batch", accepted(1))

    assert topic.publish([of_order("a", 1), of_order("a", 2), of_order("b", 3)]) == {}
    assert [[entry["Id"] for entry in batch] for batch in calls] == [["0", "2"], ["1"]]


def test_no_event_overtakes_one_of_its_group_that_has_to_be_tried_again(fifo):
    calls, stubber, topic = fifo
    refused = {"Id": "0", "Code": "InternalError", "SenderFault": False}
    stubber.add_response("publish_batch", {**accepted(2), "Failed": [refused]})

    errors = topic.publish([of_order("a", 1), of_order("a", 2), of_order("b", 3)])

    assert errors.keys() == {0, 1}
    assert all(isinstance(error, Unavailable) for error in errors.values())
    assert len(calls) == 1


def test_an_event_that_is_never_accepted_holds_up_nothing(fifo):
    calls, stubber, topic = fifo
    refused = {"Id": "0", "Code": "InvalidParameter", "SenderFault": True}
    stubber.add_response("publish_batch", {"Successful": [], "Failed": [refused]})
    stubber.add_response("publish_batch", accepted(1))

    errors = topic.publish([of_order("a", 1), of_order("a", 2)])

    assert errors.keys() == {0}
    assert isinstance(errors[0], PermanentError)
    assert len(calls) == 2
