"""Reads ``topology.json``, the map of which service consumes and publishes which events.

Terraform and the provisioner of emulators read the same file, so code and infrastructure cannot
disagree.
"""

import json
import os
from importlib import resources
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from workers.topology_rules import broken_rules

# The maximum that SQS accepts. The worker's own count of attempts decides when to dead-letter a
# message. SQS's count of receives also includes deploys, outages and lost replies; it is a distant
# backstop.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html
MAX_RECEIVE_COUNT: Final = 1_000


# SNS and SQS require the suffix of FIFO topics and queues, and know them by it:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
FIFO_SUFFIX: Final = ".fifo"
# Chooses the kind of topic and queues instead of the map, for an emulator: "true" or "false".
FIFO_VARIABLE: Final = "FIFO"


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
    fifo: bool = False  # topic and queues keep the order of the events about one order
    events: frozenset[str]
    tables: dict[str, Table]
    services: dict[str, Service]

    @classmethod
    def load(cls) -> Self:
        """Read the map that ships with the package; raises ``TopologyError``.

        The environment variable ``FIFO`` takes the place of its field ``fifo``.
        """
        try:
            text = resources.files("workers").joinpath("topology.json").read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TopologyError(f"topology.json: {error}") from error
        topology = cls.parse(text)
        match os.environ.get(FIFO_VARIABLE):
            case None | "":
                return topology
            case "true" | "false" as wanted:
                return topology.model_copy(update={"fifo": wanted == "true"})
            case other:
                raise TopologyError(f"{FIFO_VARIABLE} is {other!r}, not true or false")

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

    @property
    def topic_name(self) -> str:
        """The topic, as AWS knows it."""
        return self.topic + self._suffix

    def queue_name(self, service: str) -> str:
        """Name the queue of a service."""
        return queue_name(service) + self._suffix

    def dlq_name(self, service: str) -> str:
        """Name the dead-letter queue of a service."""
        return dlq_name(service) + self._suffix

    def undelivered_name(self, service: str) -> str:
        """Name the queue of events that SNS could not deliver to a service."""
        return f"{queue_name(service)}-undelivered{self._suffix}"

    @property
    def _suffix(self) -> str:
        return FIFO_SUFFIX if self.fifo else ""

    @property
    def publishers(self) -> dict[str, frozenset[str]]:
        """The services that publish each event: a consumer believes no other source."""
        return {
            event: frozenset(
                name for name, service in self.services.items() if event in service.publishes
            )
            for event in self.events
        }


def queue_name(service: str) -> str:
    """Name the standard queue of a service."""
    return f"{service}-queue"


def dlq_name(service: str) -> str:
    """Name the standard dead-letter queue of a service."""
    return f"{service}-queue-dlq"


def is_fifo(name: str) -> bool:
    """Return whether the name, URL or ARN is that of a FIFO topic or queue."""
    return name.endswith(FIFO_SUFFIX)
