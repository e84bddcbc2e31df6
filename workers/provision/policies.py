"""Builds the policies of queues."""

from typing import Any

from workers.topology import MAX_RECEIVE_COUNT


def queue_policy(queue_arn: str, topic_arn: str) -> dict[str, Any]:
    """Let the topic send, and deny everything without TLS.

    The services of the account get their permissions from their roles.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TopicDelivers",
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
            },
            {
                "Sid": "DenyPlaintext",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": queue_arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }


def redrive_policy(dlq_arn: str) -> dict[str, Any]:
    """Dead-letter a message after ``MAX_RECEIVE_COUNT`` receives."""
    return {"deadLetterTargetArn": dlq_arn, "maxReceiveCount": MAX_RECEIVE_COUNT}


def redrive_allow_policy(queue_arn: str) -> dict[str, Any]:
    """Let only this queue use a dead-letter queue."""
    return {"redrivePermission": "byQueue", "sourceQueueArns": [queue_arn]}
