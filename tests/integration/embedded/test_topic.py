"""SNS refuses invalid messages, and drops some that it cannot deliver."""

from uuid import uuid4

import pytest
from support.aws_calls import attributes, bodies, code_of, subscribe

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name=f"t-{uuid4()}")["TopicArn"]


def test_a_message_that_is_too_large_or_has_control_characters_is_refused(sns, topic):
    for message in ("x" * 262_145, "é" * 131_073, "a\x00", ""):
        assert code_of(sns.publish, TopicArn=topic, Message=message) == "InvalidParameter"
    full = "x" * (262_144 - len("a0Stringv"))
    sns.publish(TopicArn=topic, Message=full, MessageAttributes=attributes(1))
    assert (
        code_of(sns.publish, TopicArn=topic, Message=full + "x", MessageAttributes=attributes(1))
        == "InvalidParameter"
    )


def test_a_batch_fails_by_entry_or_as_a_whole(sns, topic):
    def publish(*messages):
        some = [{"Id": str(i), "Message": message} for i, message in enumerate(messages)]
        return sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=some)

    reply = publish("fine", "bell\x07")
    assert [failed["Id"] for failed in reply["Failed"]] == ["1"]
    assert code_of(publish, *"abcdefghijk") == "TooManyEntriesInBatchRequest"
    assert code_of(publish, "x" * 200_000, "x" * 200_000) == "BatchRequestTooLong"
    assert code_of(publish) == "EmptyBatchRequest"


def test_raw_delivery_discards_more_than_ten_attributes(sqs, sns, topic, queue):
    """Case 51: the embedded AWS does the same."""
    subscribe(sqs, sns, topic, queue)
    sns.publish(TopicArn=topic, Message="eleven", MessageAttributes=attributes(11))
    sns.publish(TopicArn=topic, Message="ten", MessageAttributes=attributes(10))
    assert bodies(sqs, queue, WaitTimeSeconds=2) == ["ten"]


def test_a_deleted_queue_does_not_keep_messages_from_the_others(sqs, sns, topic, queue):
    gone = sqs.create_queue(QueueName=f"gone-{uuid4()}")["QueueUrl"]
    for each in (gone, queue):
        subscribe(sqs, sns, topic, each)
    sqs.delete_queue(QueueUrl=gone)
    sns.publish(TopicArn=topic, Message="still here")
    assert bodies(sqs, queue, WaitTimeSeconds=2) == ["still here"]
