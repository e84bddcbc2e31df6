"""What the model of costs is fed with: list prices, and what was measured of this runtime."""

from importlib import resources
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, PositiveFloat

Architecture = Literal["arm64", "x86_64"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Row):
    """A list price in US dollars, without tax."""

    dollars: PositiveFloat
    as_of: str | None  # date of the source; None: no dated source was at hand
    source: str
    note: str


class Compute(_Row):
    """What a Fargate task costs an hour."""

    vcpu_hour: Price
    gb_hour: Price


class Prices(_Row):
    """The prices of one region; requests and units per million.

    What an environment costs that does nothing is in terraform/README.md: ``endpoint_hour`` (an
    interface endpoint in one zone), ``metric_month`` and ``alarm_month`` (each metric it looks at).
    """

    sqs_requests: Price
    sns_publishes: Price
    dynamodb_writes: Price
    dynamodb_reads: Price
    endpoint_hour: Price
    metric_month: Price
    alarm_month: Price
    fargate: dict[Architecture, Compute]

    @classmethod
    def load(cls, region: str) -> Self:
        """Read the price list. Raises ``ValueError`` for a region that it does not have."""
        regions = _List.model_validate_json(_text("prices.json")).regions
        if region not in regions:
            raise ValueError(f"no prices of {region!r}: one of {', '.join(regions)}")
        return cls.model_validate(regions[region])


class Batched(_Row):
    """How many requests a message took where messages came at ``rate`` a second."""

    rate: PositiveFloat
    per_message: PositiveFloat


class Measured(_Row):
    """What the benchmark counted of one process."""

    how: str
    date: str
    idle_polls_per_minute: PositiveFloat
    receives: Batched
    deletes: Batched
    publishes: Batched
    reads: float  # DynamoDB reads per message, of one document each
    cpu_ms: PositiveFloat  # processor time per message

    @classmethod
    def load(cls) -> Self:
        """Read what was measured last."""
        return cls.model_validate_json(_text("measured.json"))


class _List(_Row):
    units: str
    not_modelled: str
    regions: dict[str, dict[str, object]]


def _text(name: str) -> str:
    return resources.files("local.cost").joinpath(name).read_text("utf-8")
