"""Acting as a role, and what its policies say."""

import json

import boto3
from botocore.config import Config

from local.aws.iam.statements import Call, statements_of, verdict

ACCOUNT = "123456789012"  # of the embedded AWS
OPERATOR = f"arn:aws:iam::{ACCOUNT}:role/operator"  # whom the tests let send by hand
# What is refused is refused at once.
CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})


class NotTrusted(Exception):
    """The trust policy of a role does not let this service assume it."""


def assume(role_arn, *, service, context, name="task"):
    """Assume a role for a service of AWS, if the role trusts it; gives credentials.

    The embedded AWS lets its owner assume everything, so the trust policy is weighed here.
    """
    iam, sts = boto3.client("iam"), boto3.client("sts")
    role = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    trust = statements_of(role["AssumeRolePolicyDocument"])
    call = Call("sts:AssumeRole", role_arn, service, context)
    if (said := verdict(call, resource=trust)) != "allowed":
        raise NotTrusted(f"{service} may not assume {role_arn}: {said}")
    return sts.assume_role(RoleArn=role_arn, RoleSessionName=name)["Credentials"]


def session(credentials):
    """Make a session of the SDK with somebody's credentials."""
    return Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


class Session(boto3.Session):
    """A session whose clients ask once."""

    def client(self, service, **named):
        return super().client(service, config=CONFIG, **named)


def policy_of(role):
    """List the statements of a role's own policies."""
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


def _parsed(document):
    return json.loads(document) if isinstance(document, str) else document
