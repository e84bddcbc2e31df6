"""Examines the bucket of large events: whether it exists, and for how long it keeps them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from workers.aws.payloads import lifecycle_of
from workers.ops.doctor.finding import Finding
from workers.ops.doctor.scope import Scope
from workers.runtime.payloads import EXPIRY_DAYS

AREA: Final = "bucket"


def examine_payloads(scope: Scope) -> Iterator[Finding]:
    """Examine the bucket in PAYLOAD_BUCKET."""
    bucket = scope.settings.payload_bucket
    rules = lifecycle_of(scope.s3, bucket, scope.identity.account)
    if rules is None:
        problem = "does not exist: services can neither store nor read large events"
        yield Finding(AREA, bucket, problem, scope.repair, kind="missing")
        return
    for problem in expiry_problems(rules):
        yield Finding(AREA, bucket, problem, scope.repair)


def expiry_problems(rules: list[Mapping[str, Any]]) -> Iterator[str]:
    """Compare the rules of a lifecycle with the age after which a service expects no object."""
    days = [
        rule["Expiration"]["Days"]
        for rule in rules
        if rule.get("Status") == "Enabled" and "Days" in rule.get("Expiration", {})
    ]
    if not days:
        yield f"keeps its objects for ever instead of {EXPIRY_DAYS} days; they hold addresses"
    elif min(days) < EXPIRY_DAYS:
        yield (
            f"deletes objects after {min(days)} days instead of {EXPIRY_DAYS}: messages that are "
            "redriven or replayed later wait for an object that never comes back"
        )
    elif min(days) > EXPIRY_DAYS:
        yield f"keeps its objects for {min(days)} days instead of {EXPIRY_DAYS}"
