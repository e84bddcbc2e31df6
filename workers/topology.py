"""Reads ``topology.json``, the map of which service consumes and publishes which events.

Terraform and the provisioner of emulators read the same file, so code and infrastructure cannot
disagree.
"""

import json
from importlib import resources
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from workers.topology_rules import broken_rules

# The maximum that SQS accepts. The worker's own count of attempts decides when to dead-letter a
# message. SQS's count of receives also includes deploys, outages and lost replies; it is a distant
# backstop.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html
MAX_RECEIVE_COUNT: Final = 1_000


class TopologyError(Exception):
    """The map cannot be read, or it breaks a rule. The text lists every broken rule."""


class Table(BaseModel):
    """A DynamoDB table with the key ``pk`` and the time to live ``expires``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outbox: bool  # has the sparse index that the relay sweeps


class Service(BaseModel):
    """A service on the map. No field has a default: the map states each one.

    A service that consumes events has a queue and a dead-letter queue. For the others, the fields
    of the queues (``visibility_timeout``, ``retention``, ``dlq_retention``) have no effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str  # the team that gets its alarms and reviews its changes
    consumes: frozenset[str]
    publishes: frozenset[str]
    table: str
    visibility_timeout: int  # s
    max_attempts: int
    concurrency: int
    retention: int  # s
    # Somebody has to look at a dead letter before SQS deletes it.
    dlq_retention: int  # s
    sends_email: bool


class Topology(BaseModel):
    """The whole map. Services consume and publish only what ``events`` lists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    events: frozenset[str]
    tables: dict[str, Table]
    services: dict[str, Service]

    @classmethod
    def load(cls) -> Self:
        """Read the map that ships with the package; raises ``TopologyError``."""
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
