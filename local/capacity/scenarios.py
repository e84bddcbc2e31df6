"""The runs of the simulation that docs/CAPACITY.md shows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from local.capacity.deployment import Deployment
from local.capacity.fleet import Fleet, Minute, Rate
from local.capacity.journey import Journey
from local.capacity.plan import tasks_for
from local.capacity.quotas import Limits, Load, Use, writes
from local.capacity.scaling import PERIOD
from local.capacity.tasks import Assumptions
from local.cost.price_list import Prices

MESSAGES_A_DAY: Final = 1_000_000_000
DAY: Final = 86_400  # s
RAISED: Final = 5_000  # tasks; the quota of ECS for a service


@dataclass(frozen=True)
class Shape:
    """A load that rises to a peak, stays there and falls again. Times are in s."""

    average: float  # orders/s
    peak: float  # orders/s
    before: float = 1_200
    ramp: float = 300
    hold: float = 1_800
    after: float = 2_400

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for times that are not possible, or would take too long to run."""
        for name, seconds, least in (("ramp", self.ramp, 1), ("hold", self.hold, 0)):
            if not least <= seconds <= DAY:
                raise ValueError(f"{name} must be from {least} to {DAY} s, not {seconds:g}")

    @property
    def seconds(self) -> float:
        """The length of the run."""
        return self.before + 2 * self.ramp + self.hold + self.after

    def rate(self, time: float) -> float:
        """Return the orders per second that are offered at a time."""
        risen = (time - self.before) / self.ramp
        fallen = (time - self.before - self.ramp - self.hold) / self.ramp
        return self.average + (self.peak - self.average) * max(0.0, min(1.0, risen, 1 - fallen))


@dataclass(frozen=True)
class Outcome:
    """The result of a run."""

    minutes: tuple[Minute, ...]
    offered: int
    accepted: int
    p99: Mapping[str, float]  # s, by consumer
    peak_tasks: Mapping[str, int]  # by service
    interrupted: int  # Spot tasks
    dollars: float  # Fargate, at the price of tasks on demand
    broken: tuple[tuple[float, Use], ...]  # when each limit was exceeded first (s)
    waiting: Mapping[str, int]  # at the end, by consumer


def orders_of_the_day() -> float:
    """Return the orders per second that make ``MESSAGES_A_DAY``."""
    return MESSAGES_A_DAY / DAY / Journey.load().total


def raised(deployment: Deployment) -> Deployment:
    """Return the deployment without Terraform's limits: api_rate and the maximum of tasks."""
    services = {name: replace(each, max=RAISED) for name, each in deployment.services.items()}
    return replace(deployment, api_rate=math.inf, services=services)


def simulate(
    deployment: Deployment,
    shape: Shape,
    *,
    region: str = "eu-west-1",
    seed: int = 1,
    assumptions: Assumptions | None = None,
) -> Outcome:
    """Run a load through a deployment that has the tasks for its average at first.

    Raises ``ValueError`` for a region without prices.
    """
    prices = Prices.load(region)
    tasks = {
        name: min(wanted, deployment.services[name].max)
        for name, wanted in tasks_for(deployment, shape.average).items()
    }
    fleet = Fleet(deployment, tasks, seed, assumptions or Assumptions())
    rate: Rate = shape.rate
    fleet.run(rate, shape.seconds)
    return Outcome(
        tuple(fleet.minutes),
        fleet.offered,
        fleet.accepted,
        {name: station.percentile(0.99) for name, station in fleet.stations.items()},
        {name: max(minute.tasks[name] for minute in fleet.minutes) for name in fleet.tasks},
        sum(each.interrupted for each in fleet.tasks.values()),
        sum(
            each.seconds / 3600 * deployment.services[name].task.hourly(prices)
            for name, each in fleet.tasks.items()
        ),
        _broken(deployment, fleet.minutes, shape, region),
        {name: station.visible for name, station in fleet.stations.items()},
    )


def _broken(
    deployment: Deployment, minutes: list[Minute], shape: Shape, region: str
) -> tuple[tuple[float, Use], ...]:
    """Return the limits that were exceeded and when, the first one first."""
    loads = [(minute.at, _load(minute)) for minute in minutes]
    calm = [load for at, load in loads if at <= shape.before] or [loads[0][1]]
    previous = {table: max(writes(load)[table] for load in calm) for table in writes(calm[0])}
    limits = Limits(deployment, region, previous)
    first: dict[str, tuple[float, Use]] = {}
    for at, load in loads:
        for use in limits.uses(load):
            full = use.share >= 1 if use.quota.unit == "tasks" else use.share > 1
            if full:
                first.setdefault(use.quota.id, (at, use))
    return tuple(sorted(first.values(), key=lambda each: (each[0], -each[1].share)))


def _load(minute: Minute) -> Load:
    return Load(
        minute.offered / PERIOD,
        minute.accepted / PERIOD,
        {name: count / PERIOD for name, count in minute.handled.items()},
        {name: float(count) for name, count in minute.busy.items()},
        minute.tasks,
        minute.spot,
    )
