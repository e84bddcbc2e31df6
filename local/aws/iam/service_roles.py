"""Decides what an AWS service may do under a role that was passed to it."""

import json
from typing import Final

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from local.aws.iam.access import statements_of_role
from local.aws.iam.statements import Call, statements_of, verdict

_PARTITION: Final = "aws"


def may(role_arn: str, service: str, action: str, resource: str) -> bool:
    """Return whether a service may assume a role, and the role allows an action."""
    if not role_arn:
        return False
    account = role_arn.split(":")[4]
    try:
        role = iam_backends[account][_PARTITION].get_role_by_arn(role_arn)
    except NotFoundException:
        return False
    trust = statements_of(json.loads(role.assume_role_policy_document))
    context = {"aws:sourceaccount": account, "sts:externalid": account}
    assumes = Call("sts:AssumeRole", "*", service, context)
    if verdict(assumes, resource=trust) != "allowed":
        return False
    return verdict(Call(action, resource), identity=statements_of_role(role)) == "allowed"
