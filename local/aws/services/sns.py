"""Corrects moto's SNS: dropped topic attributes, and deliveries without permission."""

import json
from copy import copy
from typing import Final

from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.sns.models import Subscription
from moto.sns.responses import SNSResponse
from moto.sqs.models import sqs_backends

from local.aws.iam.statements import Call, statements_of, verdict
from local.aws.patch import Method, wrap

SERVICE: Final = "sns.amazonaws.com"
_PROTOCOLS: Final = ("Application", "Firehose", "HTTP", "Lambda", "SQS")
_FEEDBACK: Final = ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn", "SuccessFeedbackSampleRate")
_FORGOTTEN: Final = (
    "SignatureVersion",
    "TracingConfig",
    "FifoThroughputScope",
    *(protocol + what for protocol in _PROTOCOLS for what in _FEEDBACK),
)


def correct_sns() -> None:
    """Apply every correction of this module, before the first topic exists."""
    _return_topic_attributes()
    _check_queue_policies()


def _return_topic_attributes() -> None:
    """Return tracing and delivery logging from GetTopicAttributes; moto only stores them.

    https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
    """

    @wrap(SNSResponse, "get_topic_attributes")
    def attributes(original: Method, request: SNSResponse) -> ActionResult:
        answer: ActionResult = original(request)
        topic = request.backend.get_topic(request._get_param("TopicArn"))  # noqa: SLF001 - moto's reader
        for name in _FORGOTTEN:
            if (value := getattr(topic, camelcase_to_underscores(name), None)) is not None:
                answer.result["Attributes"][name] = value  # type: ignore[index]
        return answer


def _check_queue_policies() -> None:
    """Deliver to a queue only if its policy allows it; moto does not check.

    An undeliverable message goes to the subscription's dead-letter queue under the same rule.
    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
    """

    @wrap(Subscription, "publish")
    def deliver(
        original: Method, subscription: Subscription, *rest: object, **named: object
    ) -> None:
        for each in (subscription, _redirected(subscription)):
            if each is not None and _may_deliver(each):
                original(each, *rest, **named)
                return


def _redirected(subscription: Subscription) -> Subscription | None:
    """Return the subscription with its dead-letter queue as endpoint; None if it has none."""
    policy = json.loads(subscription.attributes.get("RedrivePolicy") or "{}")
    if not (arn := policy.get("deadLetterTargetArn")):
        return None
    instead = copy(subscription)
    instead.endpoint = arn
    return instead


def _may_deliver(subscription: Subscription) -> bool:
    if subscription.protocol != "sqs":
        return True
    _, _, _, region, account, name = subscription.endpoint.split(":")
    queue = sqs_backends[account][region].queues.get(name)
    if queue is None or not queue.policy:
        return False
    call = Call(
        "sqs:SendMessage",
        queue.queue_arn,
        SERVICE,
        {
            "aws:principalisawsservice": "true",
            "aws:securetransport": "true",
            "aws:sourceaccount": subscription.account_id,
            "aws:sourcearn": subscription.topic_arn,
        },
    )
    return verdict(call, resource=statements_of(queue._policy_json)) == "allowed"  # noqa: SLF001 - queue.policy is this as text
