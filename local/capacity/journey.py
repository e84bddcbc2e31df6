"""Derives from the map what an order causes: messages per service, and events per message."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, NonNegativeFloat

from workers.topology import Topology

API: Final = "order-api"
# The events of an order that succeeds, each published once.
EVENTS: Final = ("order.created", "payment.completed", "inventory.reserved", "order.confirmed")
MAILS: Final = 1.0  # per order: the confirmation
CHARGES: Final = 2.0  # requests to Stripe per order: create a PaymentIntent and confirm it


class Work(BaseModel):
    """The work of a service for one order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_ms: NonNegativeFloat
    write_units: NonNegativeFloat
    read_units: NonNegativeFloat
    writes: str  # what costs the write units


class Measured(BaseModel):
    """Figures per order: CPU time was measured, units were counted in the code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    how: str
    date: str
    services: dict[str, Work]

    @classmethod
    @cache
    def load(cls) -> Self:
        """Read the figures."""
        return cls.model_validate_json(
            resources.files("local.capacity").joinpath("work.json").read_text("utf-8")
        )


@dataclass(frozen=True)
class Journey:
    """The messages of one order."""

    messages: Mapping[str, int]  # by consumer
    publishes: Mapping[str, int]  # events of the order, by the service that publishes them
    readers: Mapping[str, tuple[str, ...]]  # consumers by event
    publisher: Mapping[str, str]  # by event
    tables: Mapping[str, str]  # by service
    concurrency: Mapping[str, int]  # handler slots of a task, by consumer

    @classmethod
    @cache
    def load(cls) -> "Journey":
        """Follow an order through the map."""
        topology = Topology.load()
        consumers = topology.consumers
        readers = {
            event: tuple(name for name, each in consumers.items() if event in each.consumes)
            for event in EVENTS
        }
        publisher = {
            event: next(
                # order-api publishes at once; the relay only what is left.
                name
                for name, each in topology.services.items()
                if event in each.publishes and name != "relay"
            )
            for event in EVENTS
        }
        return cls(
            {name: sum(name in readers[event] for event in EVENTS) for name in consumers},
            {name: sum(by == name for by in publisher.values()) for name in topology.services},
            readers,
            publisher,
            {name: each.table for name, each in topology.services.items()},
            {name: each.concurrency for name, each in consumers.items()},
        )

    @property
    def total(self) -> int:
        """Messages per order, over all queues."""
        return sum(self.messages.values())

    def ratio(self, event: str) -> float:
        """Return how often a consumer publishes an event per message that it handles."""
        return 1 / self.messages[self.publisher[event]]
