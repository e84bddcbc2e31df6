"""Writes the figures of docs/CAPACITY.md between their markers, and its plots."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from local.capacity import report
from local.capacity.deployment import Deployment
from local.capacity.journey import Journey
from local.capacity.plan import Plan, plan, tasks_for
from local.capacity.quotas import load_quotas
from local.capacity.scenarios import Outcome, Shape, orders_of_the_day, raised, simulate
from local.capacity.svg import Panel, draw
from local.capacity.tasks import Assumptions

PAGE: Final = Path(__file__).parents[2] / "docs" / "CAPACITY.md"
PLOTS: Final = PAGE.parent / "capacity"
REGION: Final = "eu-west-1"
COLUMNS: Final = 100  # of the text
TIMES: Final = 10  # the peak of the spike, as a multiple of the average
SEEN: Final = 60  # s; what is exceeded in the first minute is exceeded all day


@cache
def outcomes() -> dict[str, Outcome]:
    """Run the scenarios, by title."""
    prod, average = Deployment.load("prod"), orders_of_the_day()
    day, spike = Shape(average, average), Shape(average, TIMES * average)
    needed = tasks_for(prod, average)
    kept = replace(
        raised(prod),
        services={
            name: replace(each, min=needed[name]) for name, each in raised(prod).services.items()
        },
    )
    return {
        "day, as deployed": simulate(prod, day, region=REGION),
        "day, never below the tasks of the plan": simulate(kept, day, region=REGION),
        "day, scaled in in proportion": simulate(
            prod, day, region=REGION, assumptions=Assumptions(gradual=1.0)
        ),
        "spike, as deployed": simulate(prod, spike, region=REGION),
        "spike, limits raised": simulate(raised(prod), spike, region=REGION),
    }


def render(text: str) -> str:
    """Return the page with its figures as they are now. Raises ``ValueError`` without a marker."""
    average = orders_of_the_day()
    planned = plan(Deployment.load("prod"), average, TIMES * average, region=REGION)
    parts = {
        "services": _table(report.service_rows(planned)),
        "cost": _table(report.cost_rows(planned)),
        "limits": _table(_linked(report.limit_rows(planned))),
        "runs": _table([_run(title, outcome, planned) for title, outcome in outcomes().items()]),
        "ages": _table(_ages()),
        "broken": _table(_broken()),
        "quotas": _table(_quotas()),
        "assumptions": "\n".join(
            textwrap.fill(f"- {line}", COLUMNS, subsequent_indent="  ", break_on_hyphens=False)
            for line in report.assumptions(Deployment.load("prod"))
        ),
    }
    for name, part in parts.items():
        head, tail = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = text.partition(head)
        _, end, after = rest.partition(tail)
        if not (found and end):
            raise ValueError(f"docs/CAPACITY.md has no markers {name}")
        text = f"{before}{head}{part}\n{tail}{after}"
    return text


def plots() -> dict[str, str]:
    """Return the plots by file name."""
    return {
        f"{re.sub('[^a-z]+', '-', title)}.svg": _plot(title, outcome)
        for title, outcome in outcomes().items()
        if "proportion" not in title
    }


def write() -> None:
    """Write the page and the plots."""
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
    PLOTS.mkdir(exist_ok=True)
    for name, text in plots().items():
        (PLOTS / name).write_text(text, "utf-8")


def _plot(title: str, outcome: Outcome) -> str:
    minutes = outcome.minutes
    return draw(
        title.capitalize(),
        [
            Panel(
                "orders per second",
                {
                    "offered": [minute.offered / 60 for minute in minutes],
                    "accepted": [minute.accepted / 60 for minute in minutes],
                },
            ),
            Panel(
                "running tasks",
                {name: [minute.tasks[name] for minute in minutes] for name in minutes[0].tasks},
            ),
            Panel(
                "waiting messages, thousands",
                {
                    name: [minute.visible[name] / 1000 for minute in minutes]
                    for name in minutes[0].visible
                },
            ),
        ],
    )


def _run(title: str, outcome: Outcome, plan: Plan) -> dict[str, str]:
    return {
        "run": title,
        "orders offered": f"{outcome.offered:,}",
        "refused": f"{1 - outcome.accepted / outcome.offered:.0%}",
        "peak tasks": f"{max(sum(minute.tasks.values()) for minute in outcome.minutes):,}",
        "waiting at the end": f"{sum(outcome.waiting.values()):,}",
        "taken back by Spot": f"{outcome.interrupted}",
        "Fargate $": f"{outcome.dollars:,.2f}",
        "all $": f"{outcome.dollars + outcome.accepted * plan.per_order:,.0f}",
    }


def _ages() -> list[dict[str, str]]:
    services = Deployment.load("prod").services
    wanted = {name: services[name].acceptable_latency for name in Journey.load().messages}
    ages = {"`acceptable_latency`": wanted} | {
        title: outcome.p99 for title, outcome in outcomes().items()
    }
    return [
        {"run": title} | {name: report.duration(each[name]) for name in wanted}
        for title, each in ages.items()
    ]


def _broken() -> list[dict[str, str]]:
    return [
        {
            "run": title,
            "after": "at once" if at <= SEEN else report.duration(at),
            "limit": use.quota.name,
            "needed": f"{report.number(use.needed)} {use.quota.unit}",
            "allowed": report.number(use.quota.limit),
        }
        for title, outcome in outcomes().items()
        if title in {"day, as deployed", "spike, as deployed", "spike, limits raised"}
        for at, use in outcome.broken
    ]


def _quotas() -> list[dict[str, str]]:
    return [
        {
            "quota": f"[{each.name}]({each.source})",
            "limit": f"{report.number(each.limit)} {each.unit}",
            "per": each.scope,
            "adjustable": "yes" if each.adjustable else "no",
            "note": each.note,
        }
        for each in load_quotas(REGION).values()
    ]


def _linked(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Leave the source out: the table of quotas has it."""
    return [{name: cell for name, cell in row.items() if name != "source"} for row in rows]


def _table(rows: Sequence[dict[str, str]]) -> str:
    """Return a Markdown table; columns of numbers are aligned to the right."""
    names = list(rows[0])
    right = {name for name in names if all(re.match(r"[\d$]", row[name]) for row in rows)}
    lines = [
        " | ".join(names),
        "|".join("---:" if name in right else "---" for name in names),
        *(" | ".join(row[name] for name in names) for row in rows),
    ]
    head, rule, *body = lines
    return "\n".join([f"| {head} |", f"|{rule}|", *(f"| {line} |" for line in body)])
