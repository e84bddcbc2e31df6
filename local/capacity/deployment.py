"""Reads what Terraform deploys: the capacity of each service, and how it scales.

The tasks and limits of an environment come from its file in terraform/environments. The numbers
here are Terraform's too; tests/unit/local/test_deployment.py compares them with its files.
"""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from local.capacity import tfvars
from local.cost.task import Task
from workers.topology import Topology

ENVIRONMENTS: Final = Path(__file__).parents[2] / "terraform" / "environments"

STOP_TIMEOUT: Final = 120  # s; terraform/locals.tf
SCALE_OUT_COOLDOWN: Final = 60  # s; terraform/modules/service/scaling.tf
SCALE_IN_COOLDOWN: Final = max(300, 2 * STOP_TIMEOUT)  # s
CPU_TARGET: Final = 60  # percent, of services without a queue
API_RATE: Final = 100  # requests/s; terraform/variables.tf


@dataclass(frozen=True)
class Capacity:
    """The capacity of a service; the defaults are those of terraform/topology.tf."""

    cpu: int = 256  # 1024 = 1 vCPU
    memory: int = 512  # MiB
    desired: int = 1  # tasks, at first
    min: int = 1
    max: int = 10
    acceptable_latency: float = 30  # s
    handling_ms: float = 500
    spot_share: float = 0  # percent, not counting the first task

    @property
    def vcpu(self) -> float:
        """The number of vCPUs of a task."""
        return self.cpu / 1024

    @property
    def task(self) -> Task:
        """The Fargate task. Raises ``ValueError`` for a size that Fargate does not offer."""
        return Task(self.cpu, self.memory)

    def target_backlog(self, concurrency: int) -> int:
        """Return the waiting messages per task at which scaling aims."""
        return max(1, math.floor(self.acceptable_latency * 1000 * concurrency / self.handling_ms))


@dataclass(frozen=True)
class Deployment:
    """An environment."""

    name: str
    api_rate: float  # requests/s that the stage of API Gateway lets through
    services: dict[str, Capacity]

    @classmethod
    def load(cls, environment: str) -> "Deployment":
        """Read an environment. Raises ``ValueError`` for an unknown one."""
        known = sorted(path.stem for path in ENVIRONMENTS.glob("*.tfvars"))
        if environment not in known:
            raise ValueError(f"no environment {environment!r}; known: {', '.join(known)}")
        values = tfvars.read(ENVIRONMENTS / f"{environment}.tfvars")
        services = values.get("services", {})
        return cls(
            environment,
            values.get("api_rate", API_RATE),
            {name: _capacity(services.get(name, {})) for name in Topology.load().services},
        )


def _capacity(values: dict[str, Any]) -> Capacity:
    known = {field.name for field in fields(Capacity)}
    found = {name: value for name, value in values.items() if name in known}
    return Capacity(**{"desired": found.get("min", 1)} | found)
