"""Formats a plan and a run of the simulation: tables, sentences, one JSON document."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from local.capacity.deployment import SCALE_IN_COOLDOWN, SCALE_OUT_COOLDOWN, Deployment
from local.capacity.journey import Journey, Measured
from local.capacity.plan import Plan
from local.capacity.quotas import Use
from local.capacity.scaling import HIGH, LOW
from local.capacity.scenarios import Outcome
from local.capacity.tasks import LAUNCH_BURST, LAUNCH_RATE, Assumptions
from local.cost.model import MONTH, UTILISATION

Row = dict[str, str]
NEAR: Final = 0.5  # of a limit; what needs less is not shown


def tables(plan: Plan, outcome: Outcome) -> Iterable[tuple[str, list[Row]]]:
    """Return the tables for a terminal, with their titles."""
    return (
        ("Services", service_rows(plan)),
        ("Limits, at the peak", limit_rows(plan)),
        ("Dollars per month", cost_rows(plan)),
        ("Simulated", outcome_rows(outcome)),
        ("Exceeded in the simulation, in this order", broken_rows(outcome)),
    )


def service_rows(plan: Plan) -> list[Row]:
    """Return a row per service."""
    return [
        {
            "service": each.service,
            "per second": number(each.rate),
            "tasks": f"{each.tasks:,}",
            "tasks at the peak": f"{each.peak_tasks:,}",
            "max in Terraform": f"{each.maximum:,}",
            "write units/s": number(each.write_units),
            "read units/s": number(each.read_units),
            "$/month": f"{each.fargate + each.requests:,.0f}",
        }
        for each in plan.services
    ]


def limit_rows(plan: Plan) -> list[Row]:
    """Return a row per limit of which a good part is needed at the peak, in order of breaking."""
    found = [
        {
            "limit": use.quota.name,
            "needed": f"{number(use.needed)} {use.quota.unit}",
            "allowed": number(use.quota.limit),
            "per": use.quota.scope,
            "reached at": _reached(plan.reached[use.quota.id]),
            "adjustable": "yes" if use.quota.adjustable else "no",
            "source": use.quota.source,
        }
        for use in sorted(plan.peak, key=lambda use: plan.reached[use.quota.id])
        if use.share >= NEAR
    ]
    return found or [{"limit": f"none is used above {NEAR:.0%}"}]


def cost_rows(plan: Plan) -> list[Row]:
    """Return the cost by what causes it."""
    parts = {
        "Fargate": sum(each.fargate for each in plan.services),
        "SQS, SNS and DynamoDB": sum(each.requests for each in plan.services),
        "API Gateway": plan.gateway,
        "SES": plan.mails,
        "all": plan.dollars,
    }
    return [{"part": name, "$/month": f"{dollars:,.0f}"} for name, dollars in parts.items()]


def outcome_rows(outcome: Outcome) -> list[Row]:
    """Return a row per consumer: the ages of its messages, its tasks, what is left at the end."""
    return [
        {
            "service": name,
            "age p99": duration(outcome.p99[name]),
            "peak tasks": f"{outcome.peak_tasks[name]:,}",
            "waiting at the end": f"{outcome.waiting[name]:,}",
        }
        for name in outcome.p99
    ]


def broken_rows(outcome: Outcome) -> list[Row]:
    """Return a row per limit that was exceeded, in the order of time."""
    found = [
        {
            "after": duration(at),
            "limit": use.quota.name,
            "needed": f"{number(use.needed)} {use.quota.unit}",
            "allowed": number(use.quota.limit),
        }
        for at, use in outcome.broken
    ]
    return found or [{"limit": "none"}]


def document(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """Return everything as one document."""

    def limit(use: Use) -> dict[str, Any]:
        return {**use.quota.model_dump(exclude={"regions"}), "needed": use.needed}

    return {
        "services": [asdict(each) for each in plan.services],
        "limits": {
            "average": [limit(use) for use in plan.average],
            "peak": [limit(use) for use in plan.peak],
        },
        "dollarsPerMonth": {
            "fargate": sum(each.fargate for each in plan.services),
            "requests": sum(each.requests for each in plan.services),
            "apiGateway": plan.gateway,
            "ses": plan.mails,
            "all": plan.dollars,
        },
        "simulated": {
            "offered": outcome.offered,
            "accepted": outcome.accepted,
            "ageP99": dict(outcome.p99),
            "peakTasks": dict(outcome.peak_tasks),
            "interrupted": outcome.interrupted,
            "fargateDollars": outcome.dollars,
            "waiting": dict(outcome.waiting),
            "exceeded": [{"after": at, **limit(use)} for at, use in outcome.broken],
        },
    }


def assumptions(deployment: Deployment) -> list[str]:
    """List the assumptions, one sentence each."""
    journey, work, times = Journey.load(), Measured.load(), Assumptions()
    messages = ", ".join(f"{name} {count}" for name, count in journey.messages.items())
    sizes = f"terraform/environments/{deployment.name}.tfvars"
    left_out = "free tiers, discounts, storage, logs, metrics, network and Stripe"
    added = "tasks in proportion"
    removed = f"{times.gradual:.0%} of the tasks at most"
    start, publication = _span(times.start), _span(times.publication)
    return [
        f"An order that succeeds is {journey.total} messages: {messages}.",
        f"Slots and vCPUs are at most {UTILISATION:.0%} busy. Sizes and handling_ms: {sizes}.",
        f"{work.how} Measured {work.date}.",
        f"A month has {MONTH} hours; list prices, without {left_out}; Spot as on demand.",
        f"Commonly observed: {HIGH} minutes above the target add {added}.",
        f"Commonly observed: {LOW} minutes below 90% of it remove {removed}.",
        f"Cooldowns of Terraform: {SCALE_OUT_COOLDOWN} s out, {SCALE_IN_COOLDOWN} s in.",
        f"Assumed, because AWS does not promise it: a task starts in {start}.",
        f"Assumed: a datapoint is published {publication} after its minute.",
        f"Assumed: AWS takes back {times.interruptions:.0%} of the Spot tasks in an hour.",
        f"Fargate launches {LAUNCH_BURST} tasks at once and then {LAUNCH_RATE} a second.",
        "Other quotas do not slow the simulation: it reports when they are exceeded.",
    ]


def _reached(orders: float) -> str:
    if orders in {0, math.inf}:
        return "never" if orders else "any rate"
    return f"{number(orders)} orders/s"


def number(value: float) -> str:
    """Format an amount, with a decimal below 10 unless it is whole."""
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"  # noqa: PLR2004 - digits


def duration(seconds: float) -> str:
    """Format a duration in s, or in minutes from two on."""
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"  # noqa: PLR2004 - two minutes


def _span(seconds: tuple[float, float]) -> str:
    """Format a range of durations."""
    return f"{seconds[0]:g} to {seconds[1]:g} s"
