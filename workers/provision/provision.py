"""Creates the resources in ``topology.json`` on an emulator; on AWS itself, Terraform does.

A second run changes nothing. After a change of the map it updates filters and attributes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from workers.aws.errors import SDK_ERRORS
from workers.aws.provisioning import EmulatorClients, is_aws
from workers.ops.stock import list_stock, set_stock
from workers.provision.messaging import Messaging
from workers.provision.storage import ensure_identity, ensure_payloads, ensure_table
from workers.samples import PRICES, REORDER_THRESHOLD
from workers.settings import Settings
from workers.topology import Topology

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PATIENCE: Final = 60.0  # s; an emulator in a container takes about half of it to start
_LONGEST_PAUSE: Final = 5.0  # s


class ProvisionError(Exception):
    """Provisioning is not possible; the text says why."""


@dataclass(frozen=True)
class Report:
    """The provisioned resources, and the changes that it took."""

    topic_arn: str
    queue_urls: dict[str, str]  # queue and dead-letter queue, by name
    tables: tuple[str, ...]
    changes: tuple[str, ...]  # one line each; empty if everything existed


def provision(
    settings: Settings,
    topology: Topology,
    progress: Callable[[str], None] = lambda _line: None,
    *,
    stock: int = 0,
) -> Report:
    """Create or update everything; call ``progress`` with a line for every change.

    ``stock`` is the number of units to add of each sample item that the inventory does not have.

    Raises ``ProvisionError`` if the endpoint is AWS itself, or does not answer within a minute.
    """
    aws = EmulatorClients.connect(settings.aws_region)
    for endpoint in aws.endpoints():
        _refuse_aws(endpoint)
    _wait_for(lambda: aws.sqs.list_queues(MaxResults=1), aws.endpoints()[0])
    changes: list[str] = []

    def changed(line: str) -> None:
        changes.append(line)
        progress(line)

    messaging = Messaging(aws.sqs, aws.sns, settings.name_prefix, topology, changed)
    topic_arn = messaging.ensure_topic()
    urls: dict[str, str] = {}
    for name, service in topology.consumers.items():
        urls |= messaging.ensure_consumer(name, service, topic_arn)
    tables = {settings.table(name): table for name, table in topology.tables.items()}
    for name, table in tables.items():
        ensure_table(aws.dynamodb, name, outbox=table.outbox, changed=changed)
    ensure_identity(aws.ses, settings.sender_email, changed)
    if settings.payload_bucket:
        ensure_payloads(aws.s3, settings.payload_bucket, changed)
    if stock:
        _add_stock(
            aws.dynamodb,
            settings.table(topology.services["inventory"].table),
            stock,
            changed,
        )
    return Report(topic_arn, urls, tuple(tables), tuple(changes))


def _add_stock(
    dynamodb: "DynamoDBClient", table: str, units: int, changed: Callable[[str], None]
) -> None:
    known = {item.sku for item in list_stock(dynamodb, table)}
    for sku in PRICES:
        if sku not in known:
            set_stock(dynamodb, table, sku, available=units, reorder_threshold=REORDER_THRESHOLD)
            changed(f"added {units} units of {sku}")


def _refuse_aws(endpoint: str) -> None:
    if is_aws(endpoint):
        raise ProvisionError(
            f"{urlsplit(endpoint).hostname} is AWS itself, where Terraform creates the resources "
            "(see terraform/). To provision an emulator, set AWS_ENDPOINT_URL to its URL."
        )


def _wait_for(request: Callable[[], object], endpoint: str) -> None:
    patient = Retrying(
        retry=retry_if_exception_type(SDK_ERRORS),
        stop=stop_after_delay(PATIENCE),
        wait=wait_random_exponential(0.2, max=_LONGEST_PAUSE),
    )
    try:
        patient(request)
    except RetryError as error:
        cause = error.last_attempt.exception()
        raise ProvisionError(f"{endpoint} did not answer for {PATIENCE:.0f} s: {cause}") from cause
