"""An empty account in the embedded AWS, and what a user has before the first command."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3

from local.aws.embedded import EmbeddedAws
from local.rehearsal.terraform import PARALLELISM

# What differs from an account, and why.
SETTINGS = {
    # ECS starts no tasks in the embedded AWS, so no deployment would ever be done.
    "TF_VAR_wait_for_steady_state": "false",
    # A request that fails here fails again.
    "TF_VAR_max_retries": "2",
    # An apply spends almost all of its time waiting.
    "TF_CLI_ARGS_apply": f"-parallelism={PARALLELISM}",
    "TF_CLI_ARGS_destroy": f"-parallelism={PARALLELISM}",
    "CHECKPOINT_DISABLE": "1",
}


@dataclass(frozen=True)
class Administrator:
    """The user who follows the guide; the environment has a profile, but no credentials."""

    arn: str
    environment: Mapping[str, str]


def create_administrator(aws: EmbeddedAws, directory: Path) -> Administrator:
    """Create a user with an access key, and write the key to a profile of the AWS CLI."""
    iam = boto3.client("iam")
    arn = iam.create_user(UserName="administrator")["User"]["Arn"]
    key = iam.create_access_key(UserName="administrator")["AccessKey"]
    credentials = directory / "credentials"
    credentials.write_text(
        f"[default]\naws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    environment = aws.environment(os.environ)
    # AWS_DEFAULT_REGION stays: version 1 of the AWS CLI does not read AWS_REGION.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        del environment[name]
    files = {
        "AWS_CONFIG_FILE": str(directory / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
    }
    return Administrator(arn, environment | files | SETTINGS)
