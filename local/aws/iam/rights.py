"""Maps a request to the IAM actions and ARNs it needs, as in the Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from moto.ses.models import ses_backends

from local.aws.counts import Request
from local.aws.iam.statements import Call

# Services whose action prefix differs from the name in the signature.
_PREFIXES: Final = {"monitoring": "cloudwatch"}
# A batch needs the right to the single operation.
_SINGULAR: Final = {
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessageBatch": "DeleteMessage",
    "PublishBatch": "Publish",
    "SendMessageBatch": "SendMessage",
}
_OF_TRANSACTIONS: Final = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
_OF_FILES: Final = {
    "DELETE": "DeleteObject",
    "GET": "GetObject",
    "HEAD": "GetObject",
    "POST": "PutObject",
    "PUT": "PutObject",
}
# Of API version 1, and of version 2.
_SEND_EMAIL: Final = ("SendEmail", "POST /v2/email/outbound-emails")
# A move task works with the rights of its caller. Its operations need these on the source.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
_MOVE_TASKS: Final = ("ListMessageMoveTasks", "StartMessageMoveTask")
_OF_MOVE_TASKS: Final = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


@dataclass(frozen=True)
class _Asked:
    """A request with its account and parameters."""

    request: Request
    account: str
    parameters: Mapping[str, Any]

    def arn(self, resource: str) -> str:
        return f"arn:aws:{self.request.service}:{self.request.region}:{self.account}:{resource}"


def rights(request: Request, account: str) -> list[Call]:
    """List the rights that a request needs in an account, without a principal.

    An unknown resource is "*", so that only a policy for all resources allows the request.
    """
    asked = _Asked(request, account, _parameters(request.body))
    return list(_BY_SERVICE.get(request.service, _any)(asked)) or list(_any(asked))


def _any(asked: _Asked) -> Iterator[Call]:
    prefix = _PREFIXES.get(asked.request.service, asked.request.service)
    yield Call(f"{prefix}:{asked.request.operation}", "*")


def _sqs(asked: _Asked) -> Iterator[Call]:
    operation = asked.request.operation
    if operation in _MOVE_TASKS:
        for action in (operation, *_OF_MOVE_TASKS):
            yield Call(f"sqs:{action}", asked.parameters.get("SourceArn", "*"))
        if destination := asked.parameters.get("DestinationArn"):
            yield Call("sqs:SendMessage", destination)
        return
    name = asked.request.queue or asked.parameters.get("QueueName")
    yield Call(f"sqs:{_SINGULAR.get(operation, operation)}", asked.arn(name) if name else "*")


def _sns(asked: _Asked) -> Iterator[Call]:
    operation, parameters = asked.request.operation, asked.parameters
    names = ("TopicArn", "TargetArn", "SubscriptionArn", "ResourceArn")
    found = next((parameters[name] for name in names if name in parameters), "*")
    yield Call(f"sns:{_SINGULAR.get(operation, operation)}", found)


def _dynamodb(asked: _Asked) -> Iterator[Call]:
    """Yield a right per action of a transaction; a query of an index needs the index's own."""
    operation, parameters = asked.request.operation, asked.parameters
    if actions := parameters.get("TransactItems"):
        for action in actions:
            for kind, item in action.items():
                arn, key = _table(asked, item["TableName"]), item.get("Key", item.get("Item", {}))
                yield Call(f"dynamodb:{_OF_TRANSACTIONS[kind]}", arn, context=_leading(key))
    elif tables := parameters.get("RequestItems"):
        for name, wanted in tables.items():
            for key in wanted["Keys"] if operation == "BatchGetItem" else [{}]:
                yield Call(f"dynamodb:{operation}", _table(asked, name), context=_leading(key))
    elif name := parameters.get("TableName"):
        index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
        key = parameters.get("Key", parameters.get("Item", {}))
        yield Call(f"dynamodb:{operation}", _table(asked, name) + index, context=_leading(key))
    else:
        yield Call(f"dynamodb:{operation}", "*")


def _leading(key: Mapping[str, Any]) -> dict[str, str]:
    """Return the condition key of a partition key; every table here has ``pk``.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    return {"dynamodb:leadingkeys": key["pk"]["S"]} if "S" in key.get("pk", {}) else {}


def _table(asked: _Asked, table: str) -> str:
    return table if table.startswith("arn:") else asked.arn(f"table/{table}")


def _ses(asked: _Asked) -> Iterator[Call]:
    """Yield the right to send with the identity, the template and the configuration set.

    The identity is that of the address, or else of its domain. The configuration set may be the
    default of the identity.
    """
    if asked.request.operation not in _SEND_EMAIL:
        yield from _any(asked)
        return
    parameters = asked.parameters
    sender = parameters.get("Source", parameters.get("FromEmailAddress", ""))
    sender = sender.rpartition("<")[2].rstrip(">")
    known = ses_backends[asked.account][asked.request.region].email_identities
    identity = sender if sender in known else sender.rpartition("@")[2]
    default = known[identity].configuration_set_name if identity in known else None
    used = {
        "identity": identity,
        "template": parameters.get("Content", {}).get("Template", {}).get("TemplateName"),
        "configuration-set": parameters.get("ConfigurationSetName") or default,
    }
    for kind, name in used.items():
        if name:
            arn = asked.arn(f"{kind}/{name}")
            yield Call("ses:SendEmail", arn, context={"ses:fromaddress": sender})


def _ecs(asked: _Asked) -> Iterator[Call]:
    for task in asked.parameters.get("tasks") or ["*"]:
        yield Call(f"ecs:{asked.request.operation}", task)


def _secretsmanager(asked: _Asked) -> Iterator[Call]:
    secret = asked.parameters.get("SecretId", "*")  # ECS sends an ARN
    yield Call(f"secretsmanager:{asked.request.operation}", secret)


def _ssm(asked: _Asked) -> Iterator[Call]:
    names = asked.parameters.get("Names") or [asked.parameters.get("Name", "*")]
    for name in names:
        known = name == "*" or name.startswith("arn:")
        arn = name if known else asked.arn(f"parameter/{name.lstrip('/')}")
        yield Call(f"ssm:{asked.request.operation}", arn)


def _ecr(asked: _Asked) -> Iterator[Call]:
    name = asked.parameters.get("repositoryName")
    arn = asked.arn(f"repository/{name}") if name else "*"
    yield Call(f"ecr:{asked.request.operation}", arn)


def _logs(asked: _Asked) -> Iterator[Call]:
    group = asked.parameters.get("logGroupName")
    stream = asked.parameters.get("logStreamName", "*")
    arn = asked.arn(f"log-group:{group}:log-stream:{stream}") if group else "*"
    yield Call(f"logs:{asked.request.operation}", arn)


def _s3(asked: _Asked) -> Iterator[Call]:
    """Yield the right to a file, or to list a bucket; the bucket is in the path, not the host."""
    method, _, path = asked.request.operation.partition(" ")
    bucket, _, key = path.lstrip("/").partition("/")
    if key:
        yield Call(f"s3:{_OF_FILES[method]}", f"arn:aws:s3:::{bucket}/{key}")
    elif bucket and method in {"GET", "HEAD"}:
        yield Call("s3:ListBucket", f"arn:aws:s3:::{bucket}")


_BY_SERVICE: Final[dict[str, Callable[[_Asked], Iterator[Call]]]] = {
    "dynamodb": _dynamodb,
    "ecr": _ecr,
    "ecs": _ecs,
    "logs": _logs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "ses": _ses,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
}


def _parameters(body: bytes) -> Mapping[str, Any]:
    """Read a JSON or form body; other bodies have no parameters that matter here."""
    if body.lstrip().startswith(b"{"):
        document: Mapping[str, Any] = json.loads(body)
        return document
    form = parse_qs(body.decode("utf-8", "replace"))
    return {name: values[0] for name, values in form.items()}
