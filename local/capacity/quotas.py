"""Compares what a load needs with the quotas of AWS and Stripe, and with Terraform's settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Final

from pydantic import BaseModel, ConfigDict, PositiveFloat, TypeAdapter

from local.capacity.deployment import Deployment
from local.capacity.journey import API, CHARGES, MAILS, Journey, Measured, Work
from workers.aws.outbox_rows import SHARDS as OUTBOX_SHARDS
from workers.services.analytics import SHARDS as COUNTER_SHARDS

COUNTER_UNITS: Final = 0.2  # an update of up to 1 KB in a transaction, which ten events share
INDEX_UNITS: Final = 2  # an order enters the outbox's index and leaves it
SETTINGS: Final = "terraform/environments/{}.tfvars"


class Quota(BaseModel):
    """A quota, with the page that states it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    unit: str
    limit: PositiveFloat
    regions: dict[str, PositiveFloat] = {}  # where it differs
    scope: str
    adjustable: bool
    source: str
    note: str


@dataclass(frozen=True)
class Load:
    """The use of everything that has a quota, at one moment."""

    offered: float  # orders/s
    accepted: float  # orders/s
    handled: Mapping[str, float]  # messages/s, by consumer
    in_flight: Mapping[str, float]  # messages, by consumer
    tasks: Mapping[str, int]  # by service
    spot: Mapping[str, int] = field(default_factory=dict)  # of these, on Spot


@dataclass(frozen=True)
class Use:
    """The use of one quota or setting."""

    quota: Quota
    needed: float

    @property
    def share(self) -> float:
        """The part of the limit that is needed; above 1, it is in the way."""
        return self.needed / self.quota.limit


@cache
def load_quotas(region: str) -> dict[str, Quota]:
    """Read the quotas of a region, by id."""
    text = resources.files("local.capacity").joinpath("quotas.json").read_text("utf-8")
    quotas = TypeAdapter(list[Quota]).validate_json(text)
    return {
        each.id: each.model_copy(update={"limit": each.regions.get(region, each.limit)})
        for each in quotas
    }


@dataclass(frozen=True)
class Limits:
    """The quotas of a region and the settings of a deployment."""

    deployment: Deployment
    region: str
    previous: Mapping[str, float] = field(default_factory=dict)  # peak so far, write units/s

    def uses(self, load: Load) -> list[Use]:
        """Return the use of each limit by a load, the highest share first."""
        quotas = load_quotas(self.region)
        found = [Use(quotas[name], needed) for name, needed in self._needed(load).items()]
        found += [Use(quota, needed) for quota, needed in self._settings(load)]
        found += self._doubled(quotas["dynamodb-peak"], load)
        return sorted(found, key=lambda use: -use.share)

    def _needed(self, load: Load) -> dict[str, float]:
        vcpu = {name: each.vcpu for name, each in self.deployment.services.items()}
        spot = {name: load.spot.get(name, 0) for name in load.tasks}
        confirmed = load.handled.get("orders", 0.0) * Journey.load().ratio("order.confirmed")
        charged = load.handled.get("payment", 0.0)
        return {
            "api-gateway": load.offered,
            "sns-publish": _published(load),
            "sqs-in-flight": max(load.in_flight.values(), default=0.0),
            "dynamodb-table": max(writes(load).values(), default=0.0),
            "dynamodb-reads": max(reads(load).values(), default=0.0),
            "dynamodb-counters": load.handled.get("analytics", 0.0)
            * COUNTER_UNITS
            / COUNTER_SHARDS,
            "dynamodb-outbox": load.accepted * INDEX_UNITS / OUTBOX_SHARDS,
            "fargate-vcpu": sum((load.tasks[name] - spot[name]) * vcpu[name] for name in spot),
            "fargate-spot-vcpu": sum(spot[name] * vcpu[name] for name in spot),
            "ecs-tasks": max(load.tasks.values(), default=0),
            "ses-rate": confirmed * MAILS,
            "stripe-endpoint": charged * CHARGES / 2,
            "stripe": charged * CHARGES,
        }

    def _settings(self, load: Load) -> list[tuple[Quota, float]]:
        """Return the settings of Terraform that limit a load."""
        deployment = self.deployment
        found = [
            (self._setting("api_rate", "requests/s", deployment.api_rate, "API"), load.offered)
        ]
        for name, capacity in deployment.services.items():
            if name in load.tasks:
                setting = self._setting(f"{name}: max", "tasks", capacity.max, "service")
                found.append((setting, load.tasks[name]))
        return found

    def _setting(self, name: str, unit: str, limit: float, scope: str) -> Quota:
        return Quota(
            id=name,
            name=name,
            unit=unit,
            limit=limit,
            scope=scope,
            adjustable=True,
            source=SETTINGS.format(self.deployment.name),
            note="a setting of Terraform",
        )

    def _doubled(self, quota: Quota, load: Load) -> list[Use]:
        """Return the table whose writes exceed the previous peak most."""
        uses = [
            Use(
                quota.model_copy(
                    update={"limit": max(quota.limit, 2 * self.previous.get(table, 0.0))}
                ),
                units,
            )
            for table, units in writes(load).items()
        ]
        return sorted(uses, key=lambda use: -use.share)[:1]


def writes(load: Load) -> dict[str, float]:
    """Return the write units per second of each table."""
    return _units(load, lambda work: work.write_units)


def reads(load: Load) -> dict[str, float]:
    """Return the read units per second of each table."""
    return _units(load, lambda work: work.read_units)


def _units(load: Load, of: Callable[[Work], float]) -> dict[str, float]:
    journey, services = Journey.load(), Measured.load().services
    found: dict[str, float] = {}
    for name, rate in {API: load.accepted, **load.handled}.items():
        table = journey.tables[name]
        units = of(services[name]) / journey.messages.get(name, 1)
        found[table] = found.get(table, 0.0) + rate * units
    return found


def _published(load: Load) -> float:
    """Return the events published per second."""
    journey = Journey.load()
    return load.accepted * journey.publishes[API] + sum(
        load.handled.get(by, 0.0) * journey.ratio(event)
        for event, by in journey.publisher.items()
        if by in journey.messages
    )
