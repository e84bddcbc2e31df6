"""The SQS adapter receives, deletes, renews and dead-letters messages."""

import pytest
from botocore.stub import ANY
from support.builders import NOON, a_message

from workers.aws.sqs import MAX_MESSAGE_BYTES, SqsQueue, depth
from workers.runtime.dead_letter import TEXTS, attributes_of
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.ports import Failure

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/payment-queue"


@pytest.fixture
def sqs(stubbed):
    return stubbed("sqs")


@pytest.fixture
def queue(sqs):
    client, _ = sqs
    return SqsQueue(client, client, URL, f"{URL}-dlq", "payment", 90, clock=NOON.timestamp)


def sent_to_the_dlq(sqs, queue, message, failure):
    """Return the attributes of a dead letter as strings."""
    client, stubber = sqs
    sent = {}
    client.meta.events.register(
        "provide-client-params.sqs.SendMessage", lambda params, **_: sent.update(params)
    )
    stubber.add_response("send_message", {"MessageId": "1", "MD5OfMessageBody": "0"})
    queue.dead_letter(message, failure)
    assert sent["MessageBody"] == message.body
    assert sent["QueueUrl"] == f"{URL}-dlq"
    return {name: a["StringValue"] for name, a in sent["MessageAttributes"].items()}


def test_a_queue_is_named_after_its_url(queue):
    assert queue.name == "payment-queue"


def test_a_receive_requests_only_the_attributes_in_use_and_its_own_visibility_timeout(sqs, queue):
    _, stubber = sqs
    stubber.add_response(
        "receive_message",
        {
            "Messages": [
                {
                    "MessageId": "1",
                    "Body": "body",
                    "ReceiptHandle": "handle",
                    "Attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1500"},
                }
            ]
        },
        {
            "QueueUrl": URL,
            "MaxNumberOfMessages": 7,
            "MessageAttributeNames": ["failure.*", "source.messageId"],
            "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
            "VisibilityTimeout": 90,
            "WaitTimeSeconds": 20,
        },
    )

    (message,) = queue.receive(7, 20.0)

    assert (message.receive_count, message.sent_at) == (2, 1.5)


@pytest.mark.parametrize(
    ("seconds", "sent"), [(-1, 0), (0, 0), (0.2, 1), (29.2, 30), (43_200, 43_200), (99_999, 43_200)]
)
def test_a_visibility_timeout_is_rounded_up_and_kept_within_sqs_limits(sqs, queue, seconds, sent):
    _, stubber = sqs
    stubber.add_response(
        "change_message_visibility_batch",
        {"Successful": [{"Id": "0"}], "Failed": []},
        {
            "QueueUrl": URL,
            "Entries": [{"Id": "0", "ReceiptHandle": "handle", "VisibilityTimeout": sent}],
        },
    )

    assert queue.change_visibility([("handle", seconds)]) == {}


def test_failed_entries_are_returned_by_position_with_their_codes(sqs, queue):
    _, stubber = sqs
    failed = [
        {"Id": "2", "Code": "AWS.SimpleQueueService.ReceiptHandleIsInvalid", "SenderFault": True},
        {"Id": "0", "Code": "RequestThrottled", "SenderFault": True},
    ]
    stubber.add_response("delete_message_batch", {"Successful": [{"Id": "1"}], "Failed": failed})

    assert queue.delete(["a", "b", "c"]) == {0: "RequestThrottled", 2: "ReceiptHandleIsInvalid"}


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", 400, FatalError),
        ("RequestThrottled", 400, Unavailable),
        ("InternalError", 500, Unavailable),
    ],
)
def test_a_call_that_fails_as_a_whole_is_translated(sqs, queue, code, status, kind):
    _, stubber = sqs
    for method in ("delete_message_batch", "receive_message"):
        stubber.add_client_error(method, code, http_status_code=status)

    with pytest.raises(kind):
        queue.delete(["handle"])
    with pytest.raises(kind):
        queue.receive(10, 0)


@pytest.mark.parametrize("named", [set(), {1}])
def test_an_entry_missing_from_the_response_was_not_done(sqs, queue, named):
    _, stubber = sqs
    answer = {"Successful": [{"Id": str(position)} for position in named], "Failed": []}
    stubber.add_response("delete_message_batch", answer)
    stubber.add_response("change_message_visibility_batch", answer)

    missing = dict.fromkeys({0, 1} - named, "Unanswered")
    assert queue.delete(["a", "b"]) == missing
    assert queue.change_visibility([("a", 1), ("b", 1)]) == missing


@pytest.mark.parametrize(
    "code",
    ["TooManyEntriesInBatchRequest", "InvalidParameterValue", "400", "", "413", "SomethingNew"],
)
def test_no_refused_request_ends_a_thread_of_the_loop(sqs, queue, code):
    _, stubber = sqs
    loop = {
        "receive_message": lambda: queue.receive(10, 0),
        "delete_message_batch": lambda: queue.delete(["handle"]),
        "change_message_visibility_batch": lambda: queue.change_visibility([("handle", 1)]),
    }
    for method, call in loop.items():
        stubber.add_client_error(method, code, http_status_code=413 if code == "413" else 400)
        with pytest.raises(Unavailable):
            call()


@pytest.mark.parametrize("lacking", ["MessageId", "Body", "ReceiptHandle", "Attributes"])
def test_a_message_without_the_required_fields_is_an_outage(sqs, queue, lacking):
    _, stubber = sqs
    whole = {
        "MessageId": "1",
        "Body": "body",
        "ReceiptHandle": "handle",
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1500"},
    }
    message = {name: value for name, value in whole.items() if name != lacking}
    stubber.add_response("receive_message", {"Messages": [message]})

    with pytest.raises(Unavailable):
        queue.receive(10, 0)


def test_a_dead_letter_without_a_message_id_was_not_sent(sqs, queue):
    _, stubber = sqs
    stubber.add_response("send_message", {})

    with pytest.raises(Unavailable):
        queue.dead_letter(a_message(), Failure("no", "malformed", 1))


def test_a_dead_letter_carries_its_reason(sqs, queue):
    failure = Failure("the card reader is on fire", "TimeoutError", 3)

    attributes = sent_to_the_dlq(sqs, queue, a_message(id="message-7"), failure)

    assert attributes == {
        "failure.reason": "the card reader is on fire",
        "failure.type": "TimeoutError",
        "failure.attempts": "3",
        "failure.at": "2026-01-02T12:00:00+00:00",
        "failure.first_at": "2026-01-02T12:00:00+00:00",
        "failure.redrives": "0",
        "source.messageId": "message-7",
    }


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("", "-"),
        ("tab\tnew line\n", "tab\tnew line\n"),
        ("nul \x00 bell \x07 \uffff \ud800", "nul \ufffd bell \ufffd \ufffd \ufffd"),
        ("☃ 𝄞", "☃ 𝄞"),
        ("x" * 2_000, "x" * 1_000),
    ],
)
def test_a_reason_is_made_valid_for_sqs(sqs, queue, reason, sent):
    attributes = sent_to_the_dlq(sqs, queue, a_message("body"), Failure(reason, "malformed", 1))

    assert attributes["failure.reason"] == sent


@pytest.mark.parametrize("room", [0, 5, 40, 150, 180, 230, 260, 300, 5_000])
def test_the_largest_message_keeps_as_much_of_the_reason_as_fits(sqs, queue, room):
    body = "x" * (MAX_MESSAGE_BYTES - room)

    attributes = sent_to_the_dlq(sqs, queue, a_message(body), Failure("☃" * 100, "malformed", 1))

    size = sum(len((name + "String" + text).encode()) for name, text in attributes.items())
    assert size <= room
    assert all(attributes.values())
    assert ("failure.reason" in attributes) == (room >= 230)


@pytest.mark.parametrize("room", range(0, 600, 7))
def test_of_the_largest_message_an_id_or_a_number_is_whole_or_left_out(sqs, queue, room):
    message = a_message("x" * (MAX_MESSAGE_BYTES - room), id="0af7651916cd43dd8448eb211c80319c")
    failure = Failure("no", "unsupported_version", 12, stack="0123456789ab", key="shop#event-1")

    attributes = sent_to_the_dlq(sqs, queue, message, failure)

    whole = attributes_of(message, failure, "2026-01-02T12:00:00+00:00")
    for name in attributes.keys() - TEXTS:
        assert attributes[name] == whole[name]


def test_the_depth_of_a_queue_is_read(sqs):
    client, stubber = sqs
    counts = {
        "ApproximateNumberOfMessages": "1",
        "ApproximateNumberOfMessagesNotVisible": "2",
        "ApproximateNumberOfMessagesDelayed": "3",
    }
    stubber.add_response(
        "get_queue_attributes",
        {"Attributes": counts},
        {"QueueUrl": URL, "AttributeNames": ANY},
    )

    found = depth(client, URL)

    assert (found.visible, found.in_flight, found.delayed) == (1, 2, 3)
