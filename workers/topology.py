"""The map of the system: which service consumes and publishes which events.

Terraform and the local provisioner read the same ``topology.json``, so code and
infrastructure cannot disagree.
"""

import json
from importlib import resources
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from workers.topology_rules import DAY, broken_rules

# The most that SQS accepts. The worker's own count of attempts decides when a message is given up;
# SQS's count of receives, which also counts deploys, outages and lost replies, is a distant
# backstop.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html
MAX_RECEIVE_COUNT: Final = 1_000


class TopologyError(Exception):
    """The map cannot be read, or breaks one of its rules."""


class Table(BaseModel):
    """A DynamoDB table: one key ``pk``, time to live in ``expires``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outbox: bool  # has the sparse index that the relay sweeps


class Service(BaseModel):
    """One service on the map. One that consumes has a queue and a dead-letter queue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    consumes: frozenset[str]
    publishes: frozenset[str]
    table: str
    visibility_timeout: int = 60  # s
    max_attempts: int = 3
    concurrency: int = 10
    retention: int = 4 * DAY  # s
    # The longest that SQS keeps a message: somebody has to look at it before it is gone.
    dlq_retention: int = 14 * DAY  # s
    sends_email: bool = False


class Topology(BaseModel):
    """The whole map; ``events`` are all that may be on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    events: frozenset[str]
    tables: dict[str, Table]
    services: dict[str, Service]

    @classmethod
    def load(cls) -> Self:
        """Read the map that ships with the package.

        Raises ``TopologyError`` with every broken rule in one message.
        """
        try:
            text = resources.files("workers").joinpath("topology.json").read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TopologyError(f"topology.json: {error}") from error
        return cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a map from JSON text; raises ``TopologyError``."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise TopologyError(f"topology.json: not JSON: {error}") from error
        if broken := broken_rules(document):
            raise TopologyError(f"topology.json: {'; '.join(broken)}")
        return cls.model_validate(document)

    @property
    def consumers(self) -> dict[str, Service]:
        """The services that have a queue, by name."""
        return {name: service for name, service in self.services.items() if service.consumes}


def queue_name(service: str) -> str:
    """Name the queue of a service."""
    return f"{service}-queue"


def dlq_name(service: str) -> str:
    """Name the dead-letter queue of a service."""
    return f"{service}-queue-dlq"
