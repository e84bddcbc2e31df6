"""Performs what ECS does with the execution role before a task starts: pull, log, read secrets."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from local.rehearsal.container import Container
from local.rehearsal.roles import Session
from workers.aws.codes import DENIED

_LAYER: Final = "sha256:" + 64 * "0"
_SECRET_ARN_PARTS: Final = 7  # a key, a stage and a version may follow


def prepare(container: Container, execution: Session, task_id: str) -> dict[str, str]:
    """Call the APIs that ECS calls before a task starts. Returns the secrets by variable.

    Raises ``ClientError`` if the execution role lacks a right.
    """
    ecr, logs = execution.client("ecr"), execution.client("logs")
    ecr.get_authorization_token()
    layer = {"repositoryName": container.repository, "layerDigest": _LAYER}
    layers = {"repositoryName": container.repository, "layerDigests": [_LAYER]}
    images = {"repositoryName": container.repository, "imageIds": [{"imageTag": "any"}]}
    _check_access(ecr.batch_get_image, **images)
    _check_access(ecr.batch_check_layer_availability, **layers)
    _check_access(ecr.get_download_url_for_layer, **layer)
    options = container.log_options
    stream = {
        "logGroupName": options["awslogs-group"],
        "logStreamName": f"{options['awslogs-stream-prefix']}/{container.service}/{task_id}",
    }
    logs.create_log_stream(**stream)
    line = {"timestamp": round(time.time() * 1000), "message": "task started"}
    logs.put_log_events(**stream, logEvents=[line])
    return {name: _secret(execution, arn) for name, arn in container.secrets.items()}


def _check_access(call: Callable[..., object], **parameters: Any) -> None:
    """Call an API, and ignore errors other than a refusal: there is no image to pull."""
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] in DENIED:
            raise


def _secret(execution: Session, reference: str) -> str:
    """Read a secret, one key of a secret or a parameter, as ECS does for ``valueFrom``.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
    """
    if ":ssm:" in reference:
        found = execution.client("ssm").get_parameters(Names=[reference], WithDecryption=True)
        value: str = found["Parameters"][0]["Value"]
        return value
    secret, key = secret_and_key(reference)
    value = execution.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    return str(json.loads(value)[key]) if key else value


def secret_and_key(reference: str) -> tuple[str, str]:
    """Split ``ARN:key:stage:version`` into the ARN of a secret and the key, empty without one."""
    parts = reference.split(":")
    key = "".join(parts[_SECRET_ARN_PARTS : _SECRET_ARN_PARTS + 1])
    return ":".join(parts[:_SECRET_ARN_PARTS]), key
