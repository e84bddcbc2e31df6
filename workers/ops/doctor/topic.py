"""Examines the topic, and each consumer's subscription with its filter."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from workers.aws.errors import translated
from workers.ops.doctor.finding import Finding
from workers.ops.doctor.scope import Scope

AREA: Final = "subscription"
TOPIC: Final = "topic"
# https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
FILTERED_OUT: Final = "NumberOfNotificationsFilteredOut-NoMessageAttributes"
LOOK_BACK: Final = timedelta(days=1)
PENDING: Final = "PendingConfirmation"


def examine_topic(scope: Scope) -> Iterator[Finding]:
    """Examine whether the topic exists."""
    with translated("sns"):
        try:
            scope.sns.get_topic_attributes(TopicArn=scope.topic_arn)
        except scope.sns.exceptions.NotFoundException:
            name = scope.topic_arn.rpartition(":")[2]
            yield Finding(TOPIC, name, "does not exist", scope.repair, kind="missing")


def examine_subscription(scope: Scope, service: str) -> Iterator[Finding]:
    """Examine the subscription of a service's queue."""
    queue = scope.queue(service)
    endpoint = scope.queue_arn(queue)
    with translated("sns"):
        try:
            arn = _subscription(scope, endpoint)
        except scope.sns.exceptions.NotFoundException:
            return  # no topic: ``examine_topic`` says so
        if arn is None or arn == PENDING:
            problem = "is not subscribed to the topic" if arn is None else "is not confirmed"
            yield Finding(AREA, queue, f"{problem}: no event reaches it", scope.repair)
            return
        found = scope.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    undelivered = scope.undelivered(service) if scope.on_aws else scope.dlq(service)
    consumes = scope.topology.services[service].consumes
    for problem in subscription_problems(found, consumes, scope.queue_arn(undelivered)):
        yield Finding(AREA, queue, problem, scope.repair)


def subscription_problems(
    found: Mapping[str, str], consumes: frozenset[str], undelivered_arn: str
) -> Iterator[str]:
    """Compare a subscription's attributes with what the service consumes."""
    if found.get("RawMessageDelivery", "false").lower() != "true":
        yield "raw delivery is off: the worker dead-letters every message as malformed"
    if (scope := found.get("FilterPolicyScope", "MessageAttributes")) != "MessageAttributes":
        yield f"its filter looks at {scope} instead of MessageAttributes"
    yield from filter_problems(found.get("FilterPolicy", ""), consumes)
    target = json.loads(found.get("RedrivePolicy") or "{}").get("deadLetterTargetArn")
    if target != undelivered_arn:
        yield f"what cannot be delivered goes to {target} instead of {undelivered_arn}"


def filter_problems(policy: str, consumes: frozenset[str]) -> Iterator[str]:
    """Compare a filter policy with the event types that a service handles."""
    wanted = {"eventType": sorted(consumes)}
    found: Any = json.loads(policy) if policy else None
    if not isinstance(found, dict):
        yield "has no filter: every event reaches it, and those it cannot handle are dead-lettered"
        return
    types = found.get("eventType") or [None]
    if set(found) != set(wanted) or not all(isinstance(each, str) for each in types):
        yield f"its filter is {policy} instead of {json.dumps(wanted)}"
        return
    if missing := sorted(consumes - set(types)):
        yield f"its filter leaves out {', '.join(missing)}: these events never arrive"
    if surplus := sorted(set(types) - consumes):
        yield f"its filter lets {', '.join(surplus)} through, which no handler takes"


def examine_filtered_out(scope: Scope) -> Iterator[Finding]:
    """Examine whether events without attributes were published, which reach no queue."""
    end = datetime.now(UTC)
    with translated("cloudwatch"):
        found = scope.cloudwatch.get_metric_statistics(
            Namespace="AWS/SNS",
            MetricName=FILTERED_OUT,
            Dimensions=[{"Name": "TopicName", "Value": scope.topic_arn.rpartition(":")[2]}],
            StartTime=end - LOOK_BACK,
            EndTime=end,
            Period=3_600,
            Statistics=["Sum"],
        )
    if count := int(sum(point["Sum"] for point in found["Datapoints"])):
        yield Finding(
            TOPIC,
            scope.topic_arn.rpartition(":")[2],
            f"{count} deliveries in 24 h had no message attributes, and reached no queue",
            "Publish with `workers publish`, or with the attribute eventType",
        )


def _subscription(scope: Scope, endpoint: str) -> str | None:
    pages = scope.sns.get_paginator("list_subscriptions_by_topic")
    for page in pages.paginate(TopicArn=scope.topic_arn):
        for each in page["Subscriptions"]:
            if each["Endpoint"] == endpoint:
                arn: str = each["SubscriptionArn"]
                return arn
    return None
