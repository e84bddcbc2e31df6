"""Prices the requests and the CPU time of one order at list prices."""

from collections.abc import Mapping

from local.cost.model import UTILISATION
from local.cost.price_list import Prices
from local.cost.task import Task

REGION = "eu-west-1"
_MILLION = 1_000_000
_HOUR = 3600.0  # s
_VCPU = 1024  # CPU units


def dollars(requests: Mapping[str, float], units: Mapping[str, float], *, cpu: float) -> float:
    """Return US dollars, for requests by service, DynamoDB's units, and ``cpu`` seconds.

    CPU time is that of Fargate tasks of the default size, busy for the share of the time that the
    cost model plans with. Emails, logs, storage and network are not included.
    """
    prices, task = Prices.load(REGION), Task()
    per_million = (
        requests["sqs"] * prices.sqs_requests.dollars
        + requests["sns"] * prices.sns_publishes.dollars
        + units["write units"] * prices.dynamodb_writes.dollars
        + units["read units"] * prices.dynamodb_reads.dollars
    )
    vcpu_hour = task.hourly(prices) * _VCPU / task.cpu
    return per_million / _MILLION + cpu / UTILISATION / _HOUR * vcpu_hour
