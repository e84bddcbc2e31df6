"""A redrive uses the move task of SQS where it exists, and never loses a message."""

import pytest
from botocore.exceptions import ClientError

from workers.aws.moving import RedriveError
from workers.aws.redrive import MOVE_TIMEOUT, POLL_SECONDS, redrive

BEFORE, NOW = 1, 2  # timestamps of a task of yesterday, and of the one that is started


def task(status, moved=12, started=NOW, **more):
    counts = {"ApproximateNumberOfMessagesMoved": moved, "ApproximateNumberOfMessagesToMove": 12}
    return {"Status": status, "StartedTimestamp": started, **counts, **more}


class Sqs:
    """A service with message move tasks. Each list is the next answer; the last one repeats."""

    def __init__(self, *answers):
        self.started = []
        self.answers = list(answers)

    def get_queue_attributes(self, QueueUrl, AttributeNames):  # noqa: N803 - the SDK's names
        assert "QueueArn" in AttributeNames
        return {"Attributes": {"QueueArn": f"arn:{QueueUrl}"}}

    def start_message_move_task(self, **where):
        self.started.append(where)

    def list_message_move_tasks(self, **_):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {"Results": [answer] if answer else []}


class OldSqs(Sqs):
    """A service without them, and two messages; one cannot be sent at first."""

    def __init__(self, code="InvalidAction"):
        super().__init__(None)
        self.code = code
        self.dead = {"a": "body a", "b": "body b"}
        self.sent = []
        self.refused = "b"

    def start_message_move_task(self, **_):
        raise ClientError({"Error": {"Code": self.code}}, "StartMessageMoveTask")

    def get_queue_attributes(self, QueueUrl, AttributeNames):  # noqa: N803 - the SDK's names
        counts = dict.fromkeys((n for n in AttributeNames if n.startswith("Approx")), "0")
        counts["ApproximateNumberOfMessages"] = str(len(self.dead))
        return {"Attributes": counts | {"QueueArn": QueueUrl}}

    def receive_message(self, **_):
        return {
            "Messages": [
                {"MessageId": i, "Body": body, "ReceiptHandle": i, "Attributes": {}}
                for i, body in self.dead.items()
            ]
        }

    def send_message_batch(self, QueueUrl, Entries):  # noqa: ARG002, N803 - the SDK's names
        refused, self.refused = self.refused, None
        accepted = [entry for entry in Entries if entry["MessageBody"] != f"body {refused}"]
        self.sent += [entry["MessageBody"] for entry in accepted]
        return {"Successful": [{"Id": e["Id"], "MessageId": e["MessageBody"]} for e in accepted]}

    def change_message_visibility_batch(self, **_):
        pass

    def delete_message_batch(self, QueueUrl, Entries):  # noqa: ARG002, N803 - the SDK's names
        for entry in Entries:
            del self.dead[entry["ReceiptHandle"]]
        return {}


def test_the_move_task_names_its_destination_and_is_waited_for():
    sqs, naps = Sqs(None, task("RUNNING"), task("RUNNING"), task("COMPLETED")), []

    assert redrive(sqs, "dlq", "queue", sleep=naps.append) == 12
    assert sqs.started == [{"SourceArn": "arn:dlq", "DestinationArn": "arn:queue"}]
    assert naps == [POLL_SECONDS] * 2


def test_the_end_of_an_earlier_task_is_not_taken_for_that_of_the_new_one():
    yesterday = task("COMPLETED", moved=500, started=BEFORE)
    sqs, naps = Sqs(yesterday, yesterday, task("COMPLETED")), []

    assert redrive(sqs, "dlq", "queue", sleep=naps.append) == 12
    assert len(naps) == 1


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (task("FAILED", 3, FailureReason="AWS.KMS.AccessDenied"), ["failed", "KMS.AccessDenied"]),
        (task("FAILED", 3), ["failed", "no reason"]),
        (task("CANCELLED", 3), ["cancelled"]),
    ],
)
def test_a_task_that_did_not_move_everything_is_an_error_with_its_reason(end, words):
    sqs = Sqs(None, task("RUNNING", 1), end)

    with pytest.raises(RedriveError) as error:
        redrive(sqs, "dlq", "queue", sleep=lambda _: None)

    assert [word for word in [*words, "3 of 12 messages"] if word not in str(error.value)] == []


@pytest.mark.parametrize("status", ["RUNNING", "CANCELLING"])
def test_no_task_is_started_while_another_is_active(status):
    sqs = Sqs(task(status, moved=5))

    with pytest.raises(RedriveError, match=r"another move task .* \(5 of 12 messages\)"):
        redrive(sqs, "dlq", "queue", sleep=lambda _: None)

    assert sqs.started == []


def test_a_task_that_another_operator_starts_at_the_same_time_is_left_alone():
    sqs = OldSqs("InvalidParameterValue")
    sqs.answers = [None, task("RUNNING")]

    with pytest.raises(RedriveError, match="another move task"):
        redrive(sqs, "dlq", "queue")

    assert sqs.sent == []


def test_waiting_ends_after_the_timeout_and_reports_the_progress_meanwhile():
    sqs, naps, reports = Sqs(None, task("RUNNING", moved=4)), [], []

    with pytest.raises(RedriveError, match="still running after 15 minutes and 4 of 12 messages"):
        redrive(sqs, "dlq", "queue", sleep=naps.append, report=lambda *told: reports.append(told))

    assert sum(naps) == MOVE_TIMEOUT
    assert len(reports) == MOVE_TIMEOUT // 5
    assert set(reports) == {(4, 12)}


@pytest.mark.parametrize("code", ["InvalidAction", "InvalidParameterValue"])
def test_without_a_move_task_only_sent_messages_are_deleted(code):
    sqs = OldSqs(code)

    assert redrive(sqs, "dlq", "queue") == 2
    assert sqs.sent == ["body a", "body b"]
    assert sqs.dead == {}


def test_messages_that_sqs_refuses_to_send_are_an_error():
    sqs = OldSqs()
    sqs.send_message_batch = lambda **_: {"Failed": [{"Id": "0", "Code": "KmsDisabled"}]}

    with pytest.raises(RedriveError, match="0 of 2 messages: KmsDisabled"):
        redrive(sqs, "dlq", "queue")

    assert set(sqs.dead) == {"a", "b"}
