"""What ECS does with the execution role before a process starts: pull, open a log, read secrets."""

import time

from botocore.exceptions import ClientError

from workers.aws.codes import DENIED

_LAYER = "sha256:" + 64 * "0"


def prepare(container, execution, task_id):
    """Do what ECS does before the process starts: pull, log, read secrets."""
    ecr, logs = execution.client("ecr"), execution.client("logs")
    ecr.get_authorization_token()
    layer = {"repositoryName": container.repository, "layerDigest": _LAYER}
    layers = {"repositoryName": container.repository, "layerDigests": [_LAYER]}
    images = {"repositoryName": container.repository, "imageIds": [{"imageTag": "any"}]}
    _ask(ecr.batch_get_image, **images)
    _ask(ecr.batch_check_layer_availability, **layers)
    _ask(ecr.get_download_url_for_layer, **layer)
    options = container.log_options
    stream = {
        "logGroupName": options["awslogs-group"],
        "logStreamName": f"{options['awslogs-stream-prefix']}/{container.service}/{task_id}",
    }
    logs.create_log_stream(**stream)
    line = {"timestamp": round(time.time() * 1000), "message": "task started"}
    logs.put_log_events(**stream, logEvents=[line])
    return {name: _secret(execution, where) for name, where in container.secrets.items()}


def _ask(call, **parameters):
    """Call; only a refusal is an error: there is no image to pull here."""
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] in DENIED:
            raise


def _secret(execution, arn):
    """Read a secret or a parameter, as ECS does for ``valueFrom``."""
    if ":ssm:" in arn:
        found = execution.client("ssm").get_parameters(Names=[arn], WithDecryption=True)
        return found["Parameters"][0]["Value"]
    return execution.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
