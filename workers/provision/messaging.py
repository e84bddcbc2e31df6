"""Provisions the topic and, for each consumer, queue, dead-letter queue and subscription."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.limits import MAX_RECEIVE_WAIT
from workers.provision.policies import queue_policy, redrive_allow_policy, redrive_policy
from workers.topology import Service, Topology, is_fifo

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


# High throughput, with deduplication within a group: the ids of events are unique anyway.
# terraform/messaging.tf and terraform/modules/queue set the same.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html
# https://docs.aws.amazon.com/sns/latest/dg/fifo-high-throughput.html
FIFO_TOPIC: Final[dict[str, str]] = {"FifoTopic": "true", "FifoThroughputScope": "MessageGroup"}
FIFO_QUEUE: Final[Any] = {
    "FifoQueue": "true",
    "DeduplicationScope": "messageGroup",
    "FifoThroughputLimit": "perMessageGroupId",
}


@dataclass(frozen=True)
class Messaging:
    """Creates or updates topic, queues and subscriptions, and calls ``changed`` for each change."""

    sqs: "SQSClient"
    sns: "SNSClient"
    prefix: str
    topology: Topology
    changed: Callable[[str], None]

    def ensure_topic(self) -> str:
        """Create the topic if it does not exist; return its ARN."""
        name = self.prefix + self.topology.topic_name
        for page in self.sns.get_paginator("list_topics").paginate():
            for topic in page["Topics"]:
                if topic["TopicArn"].endswith(f":{name}"):
                    return topic["TopicArn"]
        self.changed(f"created topic {name}")
        attributes = FIFO_TOPIC if self.topology.fifo else {}
        return self.sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]

    def ensure_consumer(self, service: str, wanted: Service, topic_arn: str) -> dict[str, str]:
        """Create or update the queues and the subscription; return the queue URLs by name."""
        queue = self.prefix + self.topology.queue_name(service)
        dlq = self.prefix + self.topology.dlq_name(service)
        dlq_url, dlq_arn = self._queue(dlq)
        url, arn = self._queue(queue)
        self._set(
            dlq,
            dlq_url,
            {
                "MessageRetentionPeriod": str(wanted.dlq_retention),
                "Policy": json.dumps(queue_policy(dlq_arn, topic_arn)),
                "RedriveAllowPolicy": json.dumps(redrive_allow_policy(arn)),
            },
        )
        self._set(
            queue,
            url,
            {
                "MessageRetentionPeriod": str(wanted.retention),
                "Policy": json.dumps(queue_policy(arn, topic_arn)),
                "ReceiveMessageWaitTimeSeconds": str(MAX_RECEIVE_WAIT),
                "RedrivePolicy": json.dumps(redrive_policy(dlq_arn)),
                "VisibilityTimeout": str(wanted.visibility_timeout),
            },
        )
        self._subscribe(queue, topic_arn, arn, wanted.consumes, dlq_arn)
        return {queue: url, dlq: dlq_url}

    def _queue(self, name: str) -> tuple[str, str]:
        try:
            url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except self.sqs.exceptions.QueueDoesNotExist:
            attributes = FIFO_QUEUE if is_fifo(name) else {}
            url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
            self.changed(f"created queue {name}")
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def _set(self, name: str, url: str, wanted: Mapping[Any, str]) -> None:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        if differing := _differing(wanted, found):
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes=differing)
            self.changed(f"set {', '.join(differing)} of queue {name}")

    def _subscribe(
        self, name: str, topic_arn: str, queue_arn: str, consumes: frozenset[str], dlq_arn: str
    ) -> None:
        wanted = {
            "FilterPolicyScope": "MessageAttributes",
            "FilterPolicy": json.dumps({"eventType": sorted(consumes)}),
            "RawMessageDelivery": "true",
            # Keep what SNS cannot deliver.
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dlq_arn}),
        }
        arn = self._subscription(topic_arn, queue_arn)
        if arn is None:
            self.sns.subscribe(
                TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn, Attributes=wanted
            )
            self.changed(f"subscribed queue {name}")
            return
        found = self.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        for attribute, value in _differing(wanted, found).items():
            self.sns.set_subscription_attributes(
                SubscriptionArn=arn, AttributeName=attribute, AttributeValue=value
            )
            self.changed(f"set {attribute} of the subscription of queue {name}")

    def _subscription(self, topic_arn: str, queue_arn: str) -> str | None:
        pages = self.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        for page in pages:
            for subscription in page["Subscriptions"]:
                if subscription["Endpoint"] == queue_arn:
                    return subscription["SubscriptionArn"]
        return None


def _differing(wanted: Mapping[Any, str], found: Mapping[Any, str]) -> dict[Any, str]:
    """Compare as JSON: AWS may return a document with other spacing and order."""
    return {
        name: value
        for name, value in wanted.items()
        if name not in found or _parsed(found[name]) != _parsed(value)
    }


def _parsed(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value
