"""Who may do what with a queue, as IAM policy documents."""

from typing import Any

from workers.topology import MAX_RECEIVE_COUNT


def queue_policy(queue_arn: str, topic_arn: str) -> dict[str, Any]:
    """Admit the topic and nobody else from outside the account, over TLS only.

    Services of the account itself are admitted by their own roles, not here.
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
    """Move a message to the dead-letter queue once it was received this often."""
    return {"deadLetterTargetArn": dlq_arn, "maxReceiveCount": MAX_RECEIVE_COUNT}


def redrive_allow_policy(queue_arn: str) -> dict[str, Any]:
    """Let this queue and no other use a dead-letter queue."""
    return {"redrivePermission": "byQueue", "sourceQueueArns": [queue_arn]}
