"""The map of the system: which service consumes and publishes which events.

Terraform and the local provisioner read the same ``topology.json``, so code and
infrastructure cannot disagree.
"""

from importlib import resources
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workers.events import CATALOGUE

# SQS counts a delivery that a deploy handed back as a receive. Two spare receives keep such
# a message out of the dead-letter queue until the worker has made its own attempts.
SPARE_RECEIVES: Final = 2

# A queue must hide a message at least this long (s), or its renewals could come too late.
MIN_VISIBILITY_TIMEOUT: Final = 30
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
MAX_VISIBILITY_TIMEOUT: Final = 43_200


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
    visibility_timeout: int = Field(
        default=60, ge=MIN_VISIBILITY_TIMEOUT, le=MAX_VISIBILITY_TIMEOUT
    )
    max_attempts: int = Field(default=3, ge=1, le=100)
    concurrency: int = Field(default=10, ge=1, le=200)

    @property
    def max_receive_count(self) -> int:
        """After this many receives SQS itself moves the message to the dead-letter queue."""
        return self.max_attempts + SPARE_RECEIVES


class Topology(BaseModel):
    """The whole map."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
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
            return cls.model_validate_json(text)
        except ValidationError as error:
            broken = "; ".join(_sentence(problem) for problem in error.errors())
            raise TopologyError(f"topology.json: {broken}") from error

    @property
    def consumers(self) -> dict[str, Service]:
        """The services that have a queue, by name."""
        return {name: service for name, service in self.services.items() if service.consumes}

    @model_validator(mode="after")
    def _rules(self) -> Self:
        known = frozenset(CATALOGUE)
        published = frozenset[str]().union(*(s.publishes for s in self.services.values()))
        for name, service in self.services.items():
            if unknown := (service.consumes | service.publishes) - known:
                raise ValueError(f"{name}: unknown event {', '.join(sorted(unknown))}")
            if orphans := service.consumes - published:
                raise ValueError(f"{name}: nobody publishes {', '.join(sorted(orphans))}")
            if service.table not in self.tables:
                raise ValueError(f"{name}: table {service.table} is not in tables")
        return self


def queue_name(service: str) -> str:
    """Name the queue of a service."""
    return f"{service}-queue"


def dlq_name(service: str) -> str:
    """Name the dead-letter queue of a service."""
    return f"{service}-queue-dlq"


def _sentence(problem: object) -> str:
    assert isinstance(problem, dict)  # noqa: S101 - narrows pydantic's TypedDict
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])
