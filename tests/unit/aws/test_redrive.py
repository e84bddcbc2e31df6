"""A redrive uses the move task of SQS where it exists, and never loses a message."""

import pytest
from botocore.exceptions import ClientError

from workers.aws.dead_letters import redrive


class Sqs:
    """A service with message move tasks."""

    def __init__(self):
        self.started = []
        self.answers = ["RUNNING", "RUNNING", "COMPLETED"]

    def get_queue_attributes(self, QueueUrl, AttributeNames):  # noqa: N803 - the SDK's names
        assert "QueueArn" in AttributeNames
        return {"Attributes": {"QueueArn": f"arn:{QueueUrl}"}}

    def start_message_move_task(self, **where):
        self.started.append(where)

    def list_message_move_tasks(self, **_):
        return {
            "Results": [{"Status": self.answers.pop(0), "ApproximateNumberOfMessagesMoved": 12}]
        }


class OldSqs(Sqs):
    """A service without them, and two messages; one cannot be sent at first."""

    def __init__(self, code="InvalidAction"):
        super().__init__()
        self.code = code
        self.dead = {"a": "body a", "b": "body b"}
        self.sent = []
        self.refused = "b"

    def start_message_move_task(self, **_):
        raise ClientError({"Error": {"Code": self.code}}, "StartMessageMoveTask")

    def get_queue_attributes(self, QueueUrl, AttributeNames):  # noqa: N803 - the SDK's names
        counts = dict.fromkeys(AttributeNames, "0")
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
        return {"Successful": [{"Id": entry["Id"]} for entry in accepted]}

    def delete_message_batch(self, QueueUrl, Entries):  # noqa: ARG002, N803 - the SDK's names
        for entry in Entries:
            del self.dead[entry["ReceiptHandle"]]


def test_the_move_task_names_its_destination():
    sqs, naps = Sqs(), []

    assert redrive(sqs, "dlq", "queue", sleep=naps.append) == 12
    assert sqs.started == [{"SourceArn": "arn:dlq", "DestinationArn": "arn:queue"}]
    assert len(naps) == 2


@pytest.mark.parametrize("code", ["InvalidAction", "InvalidParameterValue"])
def test_without_a_move_task_only_sent_messages_are_deleted(code):
    sqs = OldSqs(code)

    assert redrive(sqs, "dlq", "queue") == 2
    assert sqs.sent == ["body a", "body b"]
    assert sqs.dead == {}
