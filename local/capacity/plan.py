"""Plans on paper: tasks of each service, write units, and the cost of a rate of orders.

Pure arithmetic on the cost model. The simulation shows what happens until the tasks run.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from local.capacity.deployment import CPU_TARGET, Deployment
from local.capacity.journey import API, MAILS, Journey, Measured
from local.capacity.quotas import Limits, Load, Use, writes
from local.cost.model import MILLION, MONTH, estimate, tasks_needed
from local.cost.price_list import Measured as MeasuredLoop
from local.cost.price_list import Prices

IDLE: Final = 1e-6  # orders/s
REFINEMENTS: Final = 8


@dataclass(frozen=True)
class ServicePlan:
    """The needs of a service, on average and at the peak."""

    service: str
    rate: float  # messages/s on average; orders/s for order-api and relay
    tasks: int
    peak_tasks: int
    maximum: int  # tasks that Terraform allows
    write_units: float  # per second, on average
    read_units: float
    fargate: float  # dollars per month
    requests: float  # dollars per month: SQS, SNS and DynamoDB


@dataclass(frozen=True)
class Plan:
    """The plan for a rate of orders."""

    orders: float  # per second, on average
    services: tuple[ServicePlan, ...]
    average: tuple[Use, ...]
    peak: tuple[Use, ...]
    gateway: float  # dollars per month for API Gateway
    mails: float  # dollars per month for SES
    reached: Mapping[
        str, float
    ]  # orders/s at which a limit is reached, by its id; 0: already without

    @property
    def dollars(self) -> float:
        """The cost of a month."""
        tasks = sum(each.fargate for each in self.services)
        return tasks + self.orders * 3600 * MONTH * self.per_order

    @property
    def per_order(self) -> float:
        """The cost of an order without the tasks."""
        requests = sum(each.requests for each in self.services) + self.gateway + self.mails
        return requests / (self.orders * 3600 * MONTH)


def plan(deployment: Deployment, average: float, peak: float, *, region: str) -> Plan:
    """Plan for ``average`` orders per second over a month, and ``peak`` for a while.

    Raises ``ValueError`` for rates that are not above 0, a peak below the average, and a region
    without prices.
    """
    for name, rate in (("orders-per-second", average), ("peak", peak)):
        if not 0 < rate < math.inf:
            raise ValueError(f"{name} must be a number above 0, not {rate}")
    if peak < average:
        raise ValueError(f"peak must be at least orders-per-second ({average:g}), not {peak:g}")
    prices = Prices.load(region)
    needed, at_peak = tasks_for(deployment, average), tasks_for(deployment, peak)
    limits = Limits(deployment, region)
    steady = _load(deployment, average, needed)
    grown = Limits(deployment, region, previous=writes(steady))
    return Plan(
        average,
        tuple(
            ServicePlan(
                name,
                average * Journey.load().messages.get(name, 1),
                needed[name],
                at_peak[name],
                capacity.max,
                average * Measured.load().services[name].write_units,
                average * Measured.load().services[name].read_units,
                needed[name] * MONTH * capacity.task.hourly(prices),
                _requests(deployment, name, average, prices),
            )
            for name, capacity in deployment.services.items()
        ),
        tuple(limits.uses(steady)),
        tuple(grown.uses(_load(deployment, peak, at_peak))),
        gateway=_monthly(average, prices.http_api_requests.dollars),
        mails=_monthly(average * MAILS, prices.mails.dollars),
        reached=_reached(deployment, region, average, peak),
    )


def tasks_for(deployment: Deployment, orders: float) -> dict[str, int]:
    """Return the tasks of each service for a rate of orders, as the cost model sizes them."""
    journey, work = Journey.load(), Measured.load()
    found = {}
    for name, capacity in deployment.services.items():
        messages = journey.messages.get(name)
        if messages is None:
            busy = orders * work.services[name].cpu_ms / 1000 / capacity.vcpu
            wanted = math.ceil(round(busy / CPU_TARGET * 100, 6))
        else:
            wanted = tasks_needed(
                orders * messages,
                capacity.handling_ms,
                journey.concurrency[name],
                cpu_ms=work.services[name].cpu_ms / messages,
                vcpu=capacity.vcpu,
            )
        found[name] = max(wanted, capacity.min, 1)
    return found


def _reached(deployment: Deployment, region: str, average: float, peak: float) -> dict[str, float]:
    """Return the orders per second at which each limit is reached.

    Needs grow in proportion to orders, above what the minimum of tasks needs in any case.
    """
    limits = Limits(
        deployment, region, writes(_load(deployment, average, tasks_for(deployment, average)))
    )

    def shares(orders: float) -> dict[str, float]:
        load = _load(deployment, orders, tasks_for(deployment, orders))
        return {use.quota.id: use.share for use in limits.uses(load)}

    idle, found = shares(IDLE), {}
    for name, share in shares(peak).items():
        found[name] = 0.0 if idle[name] > 1 else math.inf
        if idle[name] < min(1, share):
            orders = peak / share
            for _ in range(REFINEMENTS):
                orders /= shares(orders)[name]
            found[name] = orders
    return found


def _load(deployment: Deployment, orders: float, tasks: dict[str, int]) -> Load:
    messages = {name: orders * count for name, count in Journey.load().messages.items()}
    services = deployment.services
    return Load(
        orders,
        orders,
        messages,
        {name: rate * services[name].handling_ms / 1000 for name, rate in messages.items()},
        tasks,
        {
            name: math.floor((count - 1) * services[name].spot_share / 100)
            for name, count in tasks.items()
        },
    )


def _requests(deployment: Deployment, name: str, orders: float, prices: Prices) -> float:
    """Return the cost of a service's requests and units per month."""
    capacity, journey, work = deployment.services[name], Journey.load(), Measured.load()
    messages = journey.messages.get(name)
    if messages is None:
        units = orders * work.services[name].write_units
        published = orders if name == API else 0.0  # at once, so not in batches
        return _monthly(units, prices.dynamodb_writes.dollars) + _monthly(
            published, prices.sns_publishes.dollars
        )
    loop = MeasuredLoop.load()
    bill = estimate(
        orders * messages,
        capacity.handling_ms,
        payload_kib=1,
        concurrency=journey.concurrency[name],
        task=capacity.task,
        measured=loop.model_copy(
            update={
                "cpu_ms": work.services[name].cpu_ms / messages,
                "reads": work.services[name].read_units / messages,
            }
        ),
        prices=prices,
        write_units=work.services[name].write_units / messages,
        outcomes=journey.publishes[name] / messages,
    )
    others = (line for line in bill.lines if line.service != "Fargate")
    return sum(line.batched.dollars_per_month for line in others)


def _monthly(per_second: float, dollars_per_million: float) -> float:
    return per_second * 3600 * MONTH * dollars_per_million / MILLION
