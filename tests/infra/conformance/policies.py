"""Compares policies with the sizes that AWS accepts."""

import json
from collections import defaultdict
from dataclasses import dataclass

from infra.conformance.plan import KNOWN_LATER


@dataclass(frozen=True)
class Limit:
    """The largest policy of one kind."""

    size: int  # bytes, or characters of IAM's; the same for our ASCII policies
    white_space: bool = True  # whether it counts
    # Counts within the policy; 0 stands for no limit.
    statements: int = 0
    actions: int = 0  # in each statement
    principals: int = 0
    conditions: int = 0


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_MANAGED = Limit(6_144, white_space=False)
_INLINE = Limit(10_240, white_space=False)  # all policies of a role together
_TRUST = Limit(2_048, white_space=False)  # unless AWS raises the account's quota
LIMITS = {
    "aws_ecr_repository_policy": Limit(10_240),  # as SetRepositoryPolicy's model says
    "aws_iam_policy": _MANAGED,
    "aws_iam_role": _TRUST,
    "aws_iam_role_policy": _INLINE,
    # https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
    "aws_kms_key": Limit(32_768),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
    "aws_s3_bucket_policy": Limit(20_480),
    # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
    "aws_sns_topic_policy": Limit(30_720, statements=100, principals=200),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
    "aws_sqs_queue": Limit(8_192, statements=20, actions=7, principals=50, conditions=10),
    # https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
    "aws_vpc_endpoint": Limit(20_480),
}


def too_large(resources):
    """List the policies above a limit, and those of types without one."""
    found, inline = [], defaultdict(int)
    for resource in resources:
        for name, text in policies_of(resource):
            if resource.type not in LIMITS:
                found.append(f"{resource.address}: no limit is listed for {resource.type}.{name}")
                continue
            found += _excess(resource.address, text, LIMITS[resource.type])
            if resource.type == "aws_iam_role_policy":
                inline[str(resource.values["role"])] += _size(text, _INLINE)
    return found + [
        f"role {role}: its inline policies have {size} characters; the limit is {_INLINE.size}"
        for role, size in inline.items()
        if size > _INLINE.size
    ]


def unread(resources):
    """List policies that only an apply reveals, so that nothing has checked them."""
    return [
        f"{resource.address}.{name}"
        for resource in resources
        for name in sorted(resource.arguments & {"assume_role_policy", "policy"})
        if resource.values[name] == KNOWN_LATER
    ]


def policies_of(resource):
    """Yield the arguments that hold a policy."""
    for name in sorted(resource.arguments & resource.values.keys()):
        text = resource.values[name]
        if isinstance(text, str) and text.startswith("{") and "Statement" in json.loads(text):
            yield name, text


def _excess(address, text, limit):
    statements = listed(json.loads(text)["Statement"])
    actions = [len(listed(each.get("Action", []))) for each in statements]
    counts = {
        "size": _size(text, limit),
        "statements": len(statements),
        "actions": max(actions, default=0),
        "principals": sum(map(_principals, statements)),
        "conditions": sum(len(keys) for each in statements for keys in _conditions(each)),
    }
    return [
        f"{address}: {name} of the policy: {count}; the limit is {most}"
        for name, count in counts.items()
        if (most := getattr(limit, name)) and count > most
    ]


def _size(text, limit):
    return len(text if limit.white_space else "".join(text.split()))


def _principals(statement):
    named = statement.get("Principal", {})
    return 1 if named == "*" else sum(len(listed(each)) for each in named.values())


def _conditions(statement):
    return statement.get("Condition", {}).values()


def listed(value):
    return value if isinstance(value, list) else [value]
