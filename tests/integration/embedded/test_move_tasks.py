"""A message move task of the embedded AWS runs, ends and refuses like one of SQS."""

import json
from uuid import uuid4

import pytest
from support.aws_calls import attributes, bodies, code_of
from support.eventually import eventually

pytestmark = pytest.mark.integration

PATIENCE = 10  # s
TEXTS = ["one", "two", "three"]


@pytest.fixture
def dlq(sqs, queue):
    """Return the URL of the queue's dead-letter queue, with three messages."""
    url = sqs.create_queue(QueueName=f"d-{uuid4()}")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, url), "maxReceiveCount": 1000})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    for text in TEXTS:
        sqs.send_message(QueueUrl=url, MessageBody=text)
    return url


def arn_of(sqs, url):
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return found["Attributes"]["QueueArn"]


def newest(sqs, dlq):
    [task] = sqs.list_message_move_tasks(SourceArn=arn_of(sqs, dlq))["Results"]
    return task


def start(sqs, dlq, queue, **named):
    """Start a task from one queue to another; return its handle."""
    arns = {"SourceArn": arn_of(sqs, dlq), "DestinationArn": arn_of(sqs, queue)}
    return sqs.start_message_move_task(**arns, **named)["TaskHandle"]


def test_a_task_moves_every_message_and_says_so(sqs, dlq, queue):
    start(sqs, dlq, queue)

    eventually(lambda: newest(sqs, dlq)["Status"] == "COMPLETED", PATIENCE)

    task = newest(sqs, dlq)
    moved, total = "ApproximateNumberOfMessagesMoved", "ApproximateNumberOfMessagesToMove"
    assert (task[moved], task[total], "TaskHandle" in task) == (3, 3, False)
    assert sorted(bodies(sqs, queue)) == sorted(TEXTS)
    assert bodies(sqs, dlq) == []


def test_a_moved_message_keeps_its_attributes(sqs, dlq, queue):
    sent = {n: value | {"StringValue": n} for n, value in attributes(10).items()}
    bodies(sqs, dlq)
    sqs.purge_queue(QueueUrl=dlq)
    sqs.send_message(QueueUrl=dlq, MessageBody="body", MessageAttributes=sent)

    start(sqs, dlq, queue)
    eventually(lambda: newest(sqs, dlq)["Status"] == "COMPLETED", PATIENCE)

    answer = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])
    (message,) = answer["Messages"]
    assert message["MessageAttributes"] == sent


def test_one_task_runs_at_a_time_until_it_is_cancelled(sqs, dlq, queue):
    handle = start(sqs, dlq, queue, MaxNumberOfMessagesPerSecond=1)
    assert (newest(sqs, dlq)["Status"], newest(sqs, dlq)["TaskHandle"]) == ("RUNNING", handle)

    assert code_of(start, sqs, dlq, queue) == "InvalidParameterValue"

    sqs.cancel_message_move_task(TaskHandle=handle)
    eventually(lambda: newest(sqs, dlq)["Status"] == "CANCELLED", PATIENCE)
    start(sqs, dlq, queue)
    eventually(lambda: len(bodies(sqs, queue)) > 0, PATIENCE)


def test_a_task_whose_destination_disappears_fails_with_the_reason(sqs, dlq):
    other = sqs.create_queue(QueueName=f"o-{uuid4()}")["QueueUrl"]
    start(sqs, dlq, other, MaxNumberOfMessagesPerSecond=2)
    sqs.delete_queue(QueueUrl=other)

    eventually(lambda: newest(sqs, dlq)["Status"] == "FAILED", PATIENCE)

    assert newest(sqs, dlq)["FailureReason"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert sorted(bodies(sqs, dlq)) == sorted(TEXTS)


def test_only_a_dead_letter_queue_can_be_a_source(sqs, dlq, queue):
    assert code_of(start, sqs, queue, dlq) == "InvalidParameterValue"
    gone = f"{arn_of(sqs, queue)}-gone"
    for arns in (
        {"SourceArn": gone, "DestinationArn": arn_of(sqs, queue)},
        {"SourceArn": arn_of(sqs, dlq), "DestinationArn": gone},
    ):
        assert code_of(sqs.start_message_move_task, **arns) == "ResourceNotFoundException"
    assert code_of(sqs.list_message_move_tasks, SourceArn=gone) == "ResourceNotFoundException"
