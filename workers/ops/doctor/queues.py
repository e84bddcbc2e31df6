"""Examines queues and dead-letter queues: attributes, policies, and letters that wait."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from workers.aws.errors import translated
from workers.limits import MAX_RECEIVE_WAIT
from workers.ops.doctor.finding import Finding
from workers.ops.doctor.policies import topic_may_send
from workers.ops.doctor.scope import Scope
from workers.topology import MAX_RECEIVE_COUNT, Service

AREA: Final = "queue"
Attributes = Mapping[str, str]
# Attribute -> its name in a sentence, and its unit.
_WORDS: Final = {
    "VisibilityTimeout": "visibility timeout",
    "MessageRetentionPeriod": "retention",
    "ReceiveMessageWaitTimeSeconds": "wait of a poll",
}


def examine_queue(scope: Scope, service: str) -> Iterator[Finding]:
    """Examine a service's queue."""
    name, wanted = scope.queue(service), scope.topology.services[service]
    found = attributes_of(scope, name)
    if found is None:
        yield _missing(scope, name)
        return
    dlq_arn = scope.queue_arn(scope.dlq(service))
    problems = [
        *differing(queue_attributes(wanted), found),
        *redrive_problems(found, dlq_arn),
        *topic_may_send(found.get("Policy", ""), scope.topic_arn),
    ]
    for problem in problems:
        yield Finding(AREA, name, problem, scope.repair)


def examine_dlq(scope: Scope, service: str) -> Iterator[Finding]:
    """Examine a service's dead-letter queue."""
    name, wanted = scope.dlq(service), scope.topology.services[service]
    found = attributes_of(scope, name)
    if found is None:
        yield _missing(scope, name)
        return
    problems = [
        *differing({"MessageRetentionPeriod": wanted.dlq_retention}, found),
        *redrive_allow_problems(found, scope.queue_arn(scope.queue(service))),
    ]
    for problem in problems:
        yield Finding(AREA, name, problem, scope.repair)
    if count := messages_in(found):
        remedy = f"Run `workers dlq list {service}`: it shows why"
        yield Finding(AREA, name, f"{count} dead-lettered", remedy)


def examine_undelivered(scope: Scope, service: str) -> Iterator[Finding]:
    """Examine the queue of what SNS could not deliver to a service. Only Terraform makes one."""
    name = scope.undelivered(service)
    found = attributes_of(scope, name)
    if found is None:
        yield _missing(scope, name)
        return
    for problem in topic_may_send(found.get("Policy", ""), scope.topic_arn):
        yield Finding(AREA, name, problem, scope.repair)
    if count := messages_in(found):
        remedy = (
            f"Check policy and key of {scope.queue(service)}, then redrive (docs/OPERATIONS.md)"
        )
        yield Finding(AREA, name, f"SNS could not deliver {count}", remedy)


def queue_attributes(wanted: Service) -> dict[str, int]:
    """Return the attributes that the map asks of a queue (s)."""
    return {
        "VisibilityTimeout": wanted.visibility_timeout,
        "MessageRetentionPeriod": wanted.retention,
        "ReceiveMessageWaitTimeSeconds": MAX_RECEIVE_WAIT,
    }


def differing(wanted: Mapping[str, int], found: Attributes) -> Iterator[str]:
    """Compare attributes in seconds."""
    for name, seconds in wanted.items():
        if found.get(name) != str(seconds):
            yield f"{_WORDS[name]} is {found.get(name, 'unset')} s instead of {seconds} s"


def redrive_problems(found: Attributes, dlq_arn: str) -> Iterator[str]:
    """Compare the redrive policy with the dead-letter queue and the count of the map."""
    policy = _json(found.get("RedrivePolicy", ""))
    if not policy:
        yield "has no redrive policy: a message that kills its worker returns forever"
        return
    if (target := policy.get("deadLetterTargetArn")) != dlq_arn:
        yield f"dead-letters to {target} instead of {dlq_arn}"
    count = policy.get("maxReceiveCount")
    if str(count) != str(MAX_RECEIVE_COUNT):
        yield (
            f"max receive count is {count} instead of {MAX_RECEIVE_COUNT}: SQS dead-letters "
            "messages without a reason before the worker does"
        )


def redrive_allow_problems(found: Attributes, queue_arn: str) -> Iterator[str]:
    """Report a dead-letter queue that its queue may not use. Without a policy, every queue may."""
    policy = _json(found.get("RedriveAllowPolicy", ""))
    permission = policy.get("redrivePermission", "allowAll")
    listed = permission == "byQueue" and queue_arn in policy.get("sourceQueueArns", ())
    if permission != "allowAll" and not listed:
        yield f"its redrive-allow policy does not name {queue_arn}"


def messages_in(found: Attributes) -> str:
    """Count the messages of a queue, in words; "" if it is empty. SQS's counts are approximate."""
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    count = sum(int(found.get(name, 0)) for name in names)
    return "" if count == 0 else "1 message" if count == 1 else f"{count} messages"


def attributes_of(scope: Scope, name: str) -> Attributes | None:
    """Return all attributes of a queue; None if it does not exist."""
    with translated("sqs"):
        try:
            url = scope.sqs.get_queue_url(QueueName=name)["QueueUrl"]
            found = scope.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except scope.sqs.exceptions.QueueDoesNotExist:
            return None
    attributes: Attributes = found["Attributes"]
    return attributes


def _missing(scope: Scope, name: str) -> Finding:
    return Finding(AREA, name, "does not exist", scope.repair, kind="missing")


def _json(text: str) -> dict[str, Any]:
    found: Any = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def names(services: Iterable[str], scope: Scope) -> list[str]:
    """List the queues and dead-letter queues of services."""
    return [name for service in services for name in (scope.queue(service), scope.dlq(service))]
