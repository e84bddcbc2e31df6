"""The inputs of the cost model: list prices, and measurements of this runtime."""

from importlib import resources
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, PositiveFloat

Architecture = Literal["arm64", "x86_64"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Row):
    """A list price in US dollars, without tax."""

    dollars: PositiveFloat
    as_of: str | None  # date of the source; None: the source is undated
    source: str
    note: str


class Compute(_Row):
    """The hourly prices of a Fargate task."""

    vcpu_hour: Price
    gb_hour: Price


class Prices(_Row):
    """The prices of one region; requests, units and mails are per million.

    terraform/README.md derives the cost of an idle environment from ``endpoint_hour`` (an
    interface endpoint in one zone), ``metric_month`` and ``alarm_month`` (per alarm metric), that
    of a way out from the NAT gateway and its ``public_address_hour``, and that of the edge from
    the web ACL and CloudFront (HTTPS, by the client's place).
    """

    sqs_requests: Price
    sns_publishes: Price
    dynamodb_writes: Price
    dynamodb_reads: Price
    endpoint_hour: Price
    nat_gateway_hour: Price
    nat_gateway_gb: Price
    public_address_hour: Price
    metric_month: Price
    alarm_month: Price
    web_acl_month: Price
    web_acl_rule_month: Price
    web_acl_requests: Price
    cloudfront_requests: Price
    http_api_requests: Price
    mails: Price
    fargate: dict[Architecture, Compute]

    @classmethod
    def load(cls, region: str) -> Self:
        """Read the price list. Raises ``ValueError`` for a region that is not in it."""
        regions = _List.model_validate_json(_text("prices.json")).regions
        if region not in regions:
            raise ValueError(
                f"no prices for region {region!r}; known regions: {', '.join(regions)}"
            )
        return cls.model_validate(regions[region])


class Batched(_Row):
    """Requests per message, measured at ``rate`` messages per second."""

    rate: PositiveFloat
    per_message: PositiveFloat


class Measured(_Row):
    """The figures that the benchmark measured for one process."""

    how: str
    date: str
    idle_polls_per_minute: PositiveFloat
    receives: Batched
    deletes: Batched
    publishes: Batched
    reads: float  # DynamoDB reads per message, of one document each
    cpu_ms: PositiveFloat  # CPU time per message

    @classmethod
    def load(cls) -> Self:
        """Read the latest measurements."""
        return cls.model_validate_json(_text("measured.json"))


class _List(_Row):
    units: str
    not_modelled: str
    regions: dict[str, dict[str, object]]


def _text(name: str) -> str:
    return resources.files("local.cost").joinpath(name).read_text("utf-8")
