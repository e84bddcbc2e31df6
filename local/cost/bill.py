"""Formats an estimate: the rows of a table, and its assumptions."""

from collections.abc import Iterator

from local.cost.model import CHUNK, MONTH, OUTCOME, UTILISATION, WRITE_UNITS, Estimate, Usage
from local.cost.price_list import Measured, Price, Prices
from local.cost.task import Task


def rows(estimate: Estimate) -> list[dict[str, str]]:
    """Return a row per line and one for the total, with batched and with single deletes."""
    found = [
        {"service": line.service, "unit": line.unit}
        | _cells("", line.batched)
        | _cells("single ", line.single)
        for line in estimate.lines
    ]
    total = dict.fromkeys(found[0], "") | {
        "service": "all",
        "$/month": _money(estimate.batched),
        "single $/month": _money(estimate.single),
    }
    return [*found, total]


def assumptions(estimate: Estimate, task: Task, measured: Measured, prices: Prices) -> list[str]:
    """List the assumptions of the estimate, one sentence each."""
    size = f"{task.cpu / 1024:g} vCPU and {task.memory} MiB, {task.architecture}"
    return [
        "single: one delete request per message; everything else is equal.",
        f"{estimate.tasks} task(s) of {size}: slots and vCPUs at most {UTILISATION:.0%} busy.",
        f"{measured.cpu_ms:g} ms of CPU time per message, measured on a different CPU.",
        f"SQS and SNS bill per {CHUNK} KiB of a request; empty polls are billed too.",
        f"One outcome of up to {OUTCOME} KiB per message; delivery from SNS to SQS is free.",
        f"{WRITE_UNITS} write units per message: inbox row and one document, in a transaction.",
        f"A month has {MONTH} hours; free tiers, storage, logs and network are not included.",
        f"Measured {measured.date}: {measured.how}",
        *_origins(prices),
    ]


def _cells(prefix: str, usage: Usage) -> dict[str, str]:
    return {
        f"{prefix}per million": _count(usage.per_million),
        f"{prefix}$/million": _money(usage.dollars_per_million),
        f"{prefix}$/month": _money(usage.dollars_per_month),
    }


def _count(value: float) -> str:
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"  # noqa: PLR2004 - task hours


def _money(value: float) -> str:
    return f"{value:,.2f}"


def _origins(prices: Prices) -> Iterator[str]:
    fargate = {name: compute.vcpu_hour for name, compute in prices.fargate.items()}
    named: dict[str, Price] = {
        "SQS": prices.sqs_requests,
        "SNS": prices.sns_publishes,
        "DynamoDB": prices.dynamodb_writes,
        **{f"Fargate {name}": price for name, price in fargate.items()},
    }
    for name, price in named.items():
        as_of = f"as of {price.as_of}" if price.as_of else "undated"
        yield f"{name} prices, {as_of}: {price.source} ({price.note})"
