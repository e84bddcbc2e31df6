"""The Fargate tasks that containers run in."""

from dataclasses import dataclass
from typing import Final

from local.cost.price_list import Architecture, Prices

# CPU units (1024 = 1 vCPU) -> possible memory sizes (MiB).
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
SIZES: Final = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
}


@dataclass(frozen=True)
class Task:
    """The size of a Fargate task."""

    cpu: int = 256  # 1024 = 1 vCPU
    memory: int = 512  # MiB
    architecture: Architecture = "arm64"

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a size that Fargate does not offer."""
        if self.memory not in SIZES.get(self.cpu, ()):
            raise ValueError(f"Fargate does not offer {self.cpu} CPU units with {self.memory} MiB")

    def hourly(self, prices: Prices) -> float:
        """Return the cost per hour (US dollars)."""
        compute = prices.fargate[self.architecture]
        return (
            self.cpu / 1024 * compute.vcpu_hour.dollars
            + self.memory / 1024 * compute.gb_hour.dollars
        )
