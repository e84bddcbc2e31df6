"""Simulates all services while orders arrive at a changing rate."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from local.capacity.deployment import (
    CPU_TARGET,
    SCALE_IN_COOLDOWN,
    SCALE_OUT_COOLDOWN,
    Capacity,
    Deployment,
)
from local.capacity.engine import Durations, Simulation, Station
from local.capacity.journey import API, Journey, Measured
from local.capacity.scaling import PERIOD, TargetTracking, Waking
from local.capacity.tasks import Account, Assumptions, Policy, Scaler, Tasks
from workers.topology import Topology

GROUPS: Final = 1  # groups of orders per second, at most; more are slower and change little
STEP: Final = 1.0  # s between the ends of groups; the resolution of ages

Rate = Callable[[float], float]  # time (s) -> orders/s offered


@dataclass
class Minute:
    """One minute of a run: counts of the minute, levels at its end."""

    at: float  # s, its end
    offered: int  # orders
    accepted: int  # orders
    tasks: dict[str, int]  # running, by service
    spot: dict[str, int]  # of these, on Spot
    visible: dict[str, int]  # by consumer
    busy: dict[str, int]  # by consumer
    handled: dict[str, int]  # by consumer


@dataclass
class Fleet:
    """The services of a deployment, and what happened to them."""

    deployment: Deployment
    begin: Mapping[str, int] = field(default_factory=dict)  # tasks at first; else ``desired``
    seed: int = 1
    assumptions: Assumptions = field(default_factory=Assumptions)
    minutes: list[Minute] = field(default_factory=list)
    offered: int = 0
    accepted: int = 0

    def __post_init__(self) -> None:
        """Wire the services as the map does."""
        self.simulation = Simulation(self.seed)
        self.journey, self.work = Journey.load(), Measured.load()
        self._account = Account()
        self._pending: dict[str, float] = {}
        self._last: dict[str, int] = {}
        self._lengthened: dict[str, float] = {}
        topology = Topology.load()
        self.stations: dict[str, Station] = {}
        self.tasks: dict[str, Tasks] = {}
        for name in self.journey.messages:
            self._add_consumer(name, topology.consumers[name].concurrency)
        self._add_api()
        for name in self.deployment.services:
            if name not in self.tasks:  # the relay: it idles while order-api publishes at once
                self._add_tasks(name, lambda _: None)

    def run(self, rate: Rate, seconds: float) -> None:
        """Let orders arrive for ``seconds``, then read the result from the fields."""
        self._arrive(rate)
        for tasks in self.tasks.values():
            self.simulation.every(PERIOD, tasks.chance_of_interruption, first=PERIOD / 2)
        self.simulation.every(PERIOD, self._record, first=PERIOD)
        self.simulation.run(seconds)
        for tasks in self.tasks.values():
            tasks.accrue()

    def slots(self, name: str, concurrency: int) -> float:
        """Return the handlers that a task of a consumer runs at once: its CPU may be the limit."""
        capacity = self.deployment.services[name]
        return min(concurrency, capacity.handling_ms * capacity.vcpu / self.cpu_ms(name))

    def cpu_ms(self, name: str) -> float:
        """Return the CPU time of a message, or of an order for order-api (ms)."""
        return self.work.services[name].cpu_ms / self.journey.messages.get(name, 1)

    def api_capacity(self) -> float:
        """Return the orders per second that the running tasks of order-api can take."""
        vcpu = self.deployment.services[API].vcpu
        return self.tasks[API].running * vcpu * 1000 / self.cpu_ms(API)

    def _add_consumer(self, name: str, concurrency: int) -> None:
        capacity = self.deployment.services[name]
        # Durations below the resolution are lengthened to it, with as many slots more.
        mean = max(STEP, capacity.handling_ms / 1000)
        self._lengthened[name] = mean * 1000 / capacity.handling_ms
        slots = self.slots(name, concurrency) * self._lengthened[name]
        station = Station(
            self.simulation,
            Durations(mean),
            passed_on=lambda messages: self._publish_outcomes(name, messages),
            step=STEP,
        )
        tasks = self._add_tasks(name, lambda running: station.resize(math.floor(running * slots)))
        gradual = self.assumptions.gradual
        tracking = _tracking(capacity, capacity.target_backlog(concurrency), gradual)
        policy: Policy = Waking(tracking) if capacity.min == 0 else tracking
        Scaler(self.simulation, tasks, policy, lambda: _backlog(station, tasks)).begin()
        self.stations[name] = station

    def _add_api(self) -> None:
        tasks = self._add_tasks(API, lambda _: None)
        policy = _tracking(self.deployment.services[API], CPU_TARGET, self.assumptions.gradual)
        self._rate_now = 0.0
        Scaler(
            self.simulation,
            tasks,
            policy,
            lambda: min(100.0, 100 * self._rate_now / max(1.0, self.api_capacity())),
        ).begin()

    def _add_tasks(self, name: str, changed: Callable[[int], None]) -> Tasks:
        capacity = self.deployment.services[name]
        share = capacity.spot_share / 100
        tasks = Tasks(self.simulation, self._account, self.assumptions, share, changed)
        tasks.begin(self.begin.get(name, capacity.desired))
        self.tasks[name] = tasks
        return tasks

    def _arrive(self, rate: Rate) -> None:
        """Offer a group of orders, and let the next one follow: exactly a Poisson process."""
        now = rate(self.simulation.now)
        group = max(1, round(now / GROUPS))
        gap = self.simulation.random.gammavariate(group, 1 / now)
        self.simulation.after(gap, lambda: self._offer(group, now, rate))

    def _offer(self, orders: int, now: float, rate: Rate) -> None:
        self._rate_now = min(now, self.deployment.api_rate)
        share = min(1.0, self.deployment.api_rate / now, self.api_capacity() / now)
        accepted = self._whole(API, orders * share)
        self.offered += orders
        self.accepted += accepted
        if accepted:
            self._publish("order.created", accepted)
        self._arrive(rate)

    def _publish_outcomes(self, service: str, messages: int) -> None:
        for event, by in self.journey.publisher.items():
            if by == service:
                events = self._whole(service, messages * self.journey.ratio(event))
                if events:
                    self._publish(event, events)

    def _publish(self, event: str, events: int) -> None:
        for reader in self.journey.readers[event]:
            self.stations[reader].arrive(events)

    def _whole(self, name: str, amount: float) -> int:
        """Return whole messages, and keep the fraction for the next call."""
        amount += self._pending.get(name, 0.0)
        self._pending[name] = amount - math.floor(amount)
        return math.floor(amount)

    def _record(self) -> None:
        def since(name: str, total: int) -> int:
            before = self._last.get(name, 0)
            self._last[name] = total
            return total - before

        self.minutes.append(
            Minute(
                self.simulation.now,
                since("offered", self.offered),
                since("accepted", self.accepted),
                {name: each.running for name, each in self.tasks.items()},
                {name: each.running_spot for name, each in self.tasks.items()},
                {name: each.visible for name, each in self.stations.items()},
                {
                    name: round(each.busy / self._lengthened[name])
                    for name, each in self.stations.items()
                },
                {name: since(name, each.handled) for name, each in self.stations.items()},
            )
        )


def _tracking(capacity: Capacity, target: float, gradual: float) -> TargetTracking:
    """Return the policy that Terraform gives a service."""
    return TargetTracking(
        target, capacity.min, capacity.max, SCALE_OUT_COOLDOWN, SCALE_IN_COOLDOWN, gradual
    )


def _backlog(station: Station, tasks: Tasks) -> float | None:
    if tasks.running:
        return station.visible / tasks.running
    return math.inf if station.visible else None
