"""Estimates the cost of messages at list prices from measured figures. No side effects.

It compares this runtime with one that deletes its messages one by one; everything else is equal.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from local.cost.price_list import Batched, Measured, Prices
from local.cost.task import Task
from workers.limits import MAX_BATCH

MILLION: Final = 1_000_000
MONTH: Final = 730  # hours; the value that the AWS pricing calculator uses
# SQS and SNS bill every 64 KB of a request as one request.
# https://aws.amazon.com/sqs/pricing/ and https://aws.amazon.com/sns/pricing/
CHUNK: Final = 64  # KiB
MAX_PAYLOAD: Final = 256  # KiB; https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
OUTCOME: Final = 1  # KiB, with attributes; the outcomes of this system are smaller
UTILISATION: Final = 0.7  # share of handler slots in use, to leave room for peaks
# Commit: inbox row and one document, up to 1 KB each; transactional writes cost twice as much.
# https://aws.amazon.com/dynamodb/pricing/on-demand/
WRITE_UNITS: Final = 2 * 2


@dataclass(frozen=True)
class Usage:
    """The amount used of a resource, and its cost in US dollars."""

    per_million: float  # units per million messages
    dollars_per_million: float
    dollars_per_month: float


@dataclass(frozen=True)
class Line:
    """One line of the bill, with batched and with single deletes."""

    service: str
    unit: str
    batched: Usage
    single: Usage


@dataclass(frozen=True)
class Estimate:
    """The bill for one message rate."""

    tasks: int
    lines: tuple[Line, ...]
    batched: float  # total, US dollars per month
    single: float  # the same with single deletes


def estimate(
    rate: float,
    handler_ms: float,
    *,
    payload_kib: float,
    concurrency: int,
    task: Task,
    measured: Measured,
    prices: Prices,
    write_units: float = WRITE_UNITS,
    outcomes: float = 1.0,
) -> Estimate:
    """Estimate the bill of one consumer that receives ``rate`` messages per second, all month.

    ``write_units`` and ``outcomes`` are per message.

    Raises ``ValueError`` for arguments out of range.
    """
    _check(rate, handler_ms, payload_kib, concurrency)
    tasks = tasks_needed(
        rate, handler_ms, concurrency, cpu_ms=measured.cpu_ms, vcpu=task.cpu / 1024
    )
    share = rate / tasks
    receives = _receives(share, payload_kib, measured)
    deletes = 1 / _batch(share, measured.deletes)
    publishes = outcomes * billed(_batch(share, measured.publishes), OUTCOME)
    usage = _billing(rate)

    def same(service: str, unit: str, per_message: float, price: float) -> Line:
        used = usage(per_message, price)
        return Line(service, unit, used, used)

    price = prices.sqs_requests.dollars / MILLION
    lines = (
        Line("SQS", "requests", usage(receives + deletes, price), usage(receives + 1, price)),
        same("SNS", "publishes", publishes, prices.sns_publishes.dollars / MILLION),
        same("DynamoDB", "write units", write_units, prices.dynamodb_writes.dollars / MILLION),
        same("DynamoDB", "read units", measured.reads, prices.dynamodb_reads.dollars / MILLION),
        same("Fargate", "task hours", tasks / (rate * 3600), task.hourly(prices)),
    )
    return Estimate(
        tasks,
        lines,
        batched=sum(line.batched.dollars_per_month for line in lines),
        single=sum(line.single.dollars_per_month for line in lines),
    )


def tasks_needed(
    rate: float, handler_ms: float, concurrency: int, *, cpu_ms: float, vcpu: float
) -> int:
    """Return the number of tasks that keeps slots and vCPUs busy for ``UTILISATION`` of the time.

    ``cpu_ms`` is the CPU time per message, ``vcpu`` the number of vCPUs per task.
    """
    slots = handler_ms / 1000 / concurrency
    cpu = cpu_ms / 1000 / vcpu
    return max(1, math.ceil(round(rate * max(slots, cpu) / UTILISATION, 6)))


def billed(batch: float, kib: float) -> float:
    """Return the requests billed per message for an average batch of ``batch`` messages."""
    smaller = math.floor(batch)
    more = batch - smaller
    chunks = (1 - more) * _chunks(smaller * kib) + more * _chunks((smaller + 1) * kib)
    return chunks / batch


def idle_polls(rate: float, per_minute: float) -> float:
    """Return the empty polls per second when messages arrive at random.

    A poll ends with the first message, or empty after its wait time. ``per_minute`` is the number
    of polls per minute without any messages.
    """
    expected = rate * 60 / per_minute  # messages during the wait time of a poll
    return rate * math.exp(-expected) / -math.expm1(-expected)


def _chunks(kib: float) -> int:
    return max(1, math.ceil(kib / CHUNK))


def _receives(rate: float, kib: float, measured: Measured) -> float:
    idle = idle_polls(rate, measured.idle_polls_per_minute)
    return billed(_batch(rate, measured.receives), kib) + idle / rate


def _batch(rate: float, measured: Batched) -> float:
    """Return the batch size at a rate: the first message, and those that arrive in its window."""
    window = (1 / measured.per_message - 1) / measured.rate
    return min(MAX_BATCH, 1 + rate * window)


def _billing(rate: float) -> Callable[[float, float], Usage]:
    def usage(per_message: float, price: float) -> Usage:
        cost = per_message * price
        return Usage(per_message * MILLION, cost * MILLION, cost * rate * 3600 * MONTH)

    return usage


def _check(rate: float, handler_ms: float, payload_kib: float, concurrency: int) -> None:
    for name, value in (("rate", rate), ("handler-ms", handler_ms)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a number above 0, not {value}")
    if not 0 < payload_kib <= MAX_PAYLOAD:
        raise ValueError(f"payload-kib must be above 0 and at most {MAX_PAYLOAD}")
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
