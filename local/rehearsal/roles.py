"""Assumes roles, and reads their policies."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import boto3
from botocore.config import Config

from local.aws.iam.statements import Call, Statement, statements_of, verdict

ACCOUNT: Final = "123456789012"  # of the embedded AWS
# One attempt, so that a refusal is reported at once.
CONFIG: Final = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})

Credentials: TypeAlias = Mapping[str, Any]  # as sts:AssumeRole returns them


class NotTrusted(Exception):
    """The trust policy of a role does not allow this principal to assume it."""


def assume(
    role_arn: str, *, principal: str, context: Mapping[str, str], name: str = "task"
) -> Credentials:
    """Assume a role for an AWS service, or for the role or user with this ARN.

    Raises ``NotTrusted`` if the role does not trust it.

    The embedded AWS lets its owner assume every role, so the trust policy is evaluated here.
    """
    iam, sts = boto3.client("iam"), boto3.client("sts")
    role = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    trust = statements_of(role["AssumeRolePolicyDocument"])
    call = Call("sts:AssumeRole", role_arn, principal, dict(context))
    if (said := verdict(call, resource=trust)) != "allowed":
        raise NotTrusted(f"{principal} may not assume {role_arn}: {said}")
    credentials: Credentials = sts.assume_role(RoleArn=role_arn, RoleSessionName=name)[
        "Credentials"
    ]
    return credentials


def session(credentials: Credentials) -> "Session":
    """Create an SDK session with these credentials."""
    return Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


class Session(boto3.Session):
    """A session whose clients do not retry."""

    def client(self, service: str, **named: Any) -> Any:  # type: ignore[override]  # any service
        """Create a client."""
        clients: Any = super()
        return clients.client(service, config=CONFIG, **named)


def policy_of(role: str) -> list[Statement]:
    """List the statements of all policies of a role."""
    iam = boto3.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names
    ]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
        documents.append(found["PolicyVersion"]["Document"])
    return [each for document in documents for each in statements_of(_parsed(document))]


def _parsed(document: Any) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads(document) if isinstance(document, str) else document
    return parsed
