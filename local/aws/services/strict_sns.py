"""Refuses or discards messages that SNS cannot deliver and moto does.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from collections.abc import Mapping
from typing import Any, Final

from moto.sns.exceptions import InvalidParameterValue, SNSException
from moto.sns.models import SNSBackend, Subscription
from moto.sqs.exceptions import QueueDoesNotExist, SQSException

from local.aws.patch import Method, wrap
from local.aws.services.strict_sqs import MAX_ATTRIBUTES, forbidden_character, refuse_batch, size

MAX_BYTES: Final = 262_144  # of a message, and of all messages of a batch; attributes count

Attributes = Mapping[str, dict[str, Any]]


def refuse_what_sns_refuses() -> None:
    """Apply the rules to Publish, PublishBatch and delivery."""

    @wrap(SNSBackend, "publish")
    def publish(
        original: Method,
        backend: SNSBackend,
        message: str,
        *rest: object,
        message_attributes: Attributes | None = None,
        **named: object,
    ) -> str:
        refuse_message(message, message_attributes or {})
        message_id: str = original(
            backend, message, *rest, message_attributes=message_attributes, **named
        )
        return message_id

    @wrap(SNSBackend, "publish_batch")
    def publish_batch(
        original: Method,
        backend: SNSBackend,
        topic_arn: str,
        publish_batch_request_entries: list[dict[str, Any]],
    ) -> object:
        refuse_entries(publish_batch_request_entries)
        return original(backend, topic_arn, publish_batch_request_entries)

    @wrap(SNSBackend, "subscribe")
    def subscribe(
        original: Method, backend: SNSBackend, topic_arn: str, endpoint: str, protocol: str
    ) -> Subscription:
        refuse_protocol(topic_arn, protocol)
        subscription: Subscription = original(backend, topic_arn, endpoint, protocol)
        return subscription

    @wrap(Subscription, "publish")
    def deliver(
        original: Method,
        subscription: Subscription,
        *rest: object,
        message_attributes: Attributes | None = None,
        **named: object,
    ) -> None:
        if is_deliverable(subscription, message_attributes or {}):
            # A deleted queue loses its own copy; the other subscribers get theirs.
            try:
                original(subscription, *rest, message_attributes=message_attributes, **named)
            except QueueDoesNotExist:
                return


def refuse_message(message: str, attributes: Attributes) -> None:
    """Refuse a message that is empty, or over 256 KiB with its attributes.

    Characters that SQS refuses are refused too: the behaviour of SNS is not documented, but it
    could not deliver them.
    """
    if not message:
        raise InvalidParameterValue("Invalid parameter: Empty message")
    if found := forbidden_character(message):
        raise InvalidParameterValue(f"Invalid parameter: Message Reason: character {found}")
    if size(message, attributes) > MAX_BYTES:
        raise InvalidParameterValue("Invalid parameter: Message too long")


def refuse_protocol(topic_arn: str, protocol: str) -> None:
    """Refuse what a FIFO topic does not deliver to: everything but queues, Firehose included.

    https://docs.aws.amazon.com/sns/latest/dg/fifo-message-delivery.html
    """
    if topic_arn.endswith(".fifo") and protocol != "sqs":
        raise InvalidParameterValue(f"Invalid parameter: Invalid protocol type: {protocol}")


def refuse_entries(entries: list[dict[str, Any]]) -> None:
    """Refuse a batch that is empty, over ten entries, over 256 KiB, or has an invalid id."""
    if not entries:
        raise SNSException("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    try:
        refuse_batch([entry["Id"] for entry in entries])
    except SQSException as refusal:
        raise SNSException(refusal.code, refusal.message) from None
    sizes = [size(entry["Message"], entry.get("MessageAttributes", {})) for entry in entries]
    if sum(each for each in sizes if each <= MAX_BYTES) > MAX_BYTES:
        raise SNSException(
            "BatchRequestTooLong",
            "The length of all the batch messages put together is more than the limit.",
        )


def is_deliverable(subscription: Subscription, attributes: Attributes) -> bool:
    """Return whether SNS delivers: with raw delivery it discards over ten attributes.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
    """
    raw = str(subscription.attributes.get("RawMessageDelivery", "")).lower() == "true"
    return not raw or len(attributes) <= MAX_ATTRIBUTES
