"""Compares the permissions that roles used with those that their policies grant."""

from local.aws.iam.statements import Call, verdict
from local.rehearsal.roles import policy_of


def refused(used):
    """List the permissions that a role lacked."""
    return [
        f"{each['role']} was refused {each['action']} on {each['resource']}"
        for each in used
        if each["verdict"] != "allowed"
    ]


def never_used(role, used):
    """List the permissions of a role that none of its calls needed."""
    calls = [Call(each["action"], each["resource"]) for each in used if each["role"] == role]
    return [
        f"{role} never used {action} on {arn}"
        for statement in policy_of(role)
        for action in _listed(statement["Action"])
        for arn in _listed(statement["Resource"])
        if not any(_needs(call, statement, action, arn) for call in calls)
    ]


def _needs(call, statement, action, arn):
    """Return whether a statement with this action and this resource covers a call."""
    alone = {"Effect": statement["Effect"], "Action": action, "Resource": arn}
    return verdict(call, identity=[alone]) != "not allowed"


def _listed(value):
    return value if isinstance(value, list) else [value]
