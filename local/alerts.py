"""Renders workers/alarms.json as alert rules of Prometheus, one rule for each service it watches.

python -m local.alerts    # writes docker/prometheus/alerts.yml
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, Final

from workers.topology import Topology

ROOT: Final = Path(__file__).parents[1]
ALARMS: Final = ROOT / "workers" / "alarms.json"
RULES: Final = ROOT / "docker" / "prometheus" / "alerts.yml"
RUNBOOKS: Final = "docs/runbooks"  # in the repository

_WINDOW: Final = re.compile(r"\[(\d+)([mh])\]")
_SECONDS: Final = {"m": 60, "h": 3600}
_HEAD: Final = """\
# Written by `python -m local.alerts` from workers/alarms.json and the map. Do not edit.
groups:
  - name: alarms
    rules:
"""


@dataclass(frozen=True)
class Alarm:
    """An entry of alarms.json."""

    name: str
    scope: str  # "consumer", "service", or the one service whose owner is told
    means: str
    do: str
    threshold: float
    unit: str
    minutes: float  # how long the condition holds before the alarm fires
    prometheus: str | None  # None: only CloudWatch has the metric
    windows: tuple[int, ...] = ()  # minutes; of a rate of errors
    source: str | None = None  # of the threshold

    def watched(self, topology: Topology) -> list[str]:
        """Return the services that have this alarm."""
        match self.scope:
            case "consumer":
                return list(topology.consumers)
            case "service":
                return list(topology.services)
            case one:
                return [one]


@dataclass(frozen=True)
class Rule:
    """An alert rule of Prometheus for one service."""

    alert: str
    expr: str
    seconds: float  # of "for"
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def render(self) -> str:
        """Return YAML. JSON strings are YAML too."""
        lines = [
            f"      - alert: {self.alert}",
            f"        expr: '{self.expr}'",
            f"        for: {_duration(self.seconds)}",
        ]
        for name, values in (("labels", self.labels), ("annotations", self.annotations)):
            lines.append(f"        {name}:")
            lines += [f"          {key}: {json.dumps(value)}" for key, value in values.items()]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Renderer:
    """Renders alarms; tests make the rules fast."""

    topology: Topology
    hurry: float = 1  # divides every duration: times, windows and thresholds in seconds
    thresholds: Mapping[str, float] = field(default_factory=dict)  # other ones, by alarm

    def rules(self, alarms: Mapping[str, Alarm]) -> Iterator[Rule]:
        """Yield the rules of all alarms that Prometheus can evaluate."""
        for alarm in alarms.values():
            for service in alarm.watched(self.topology) if alarm.prometheus else ():
                yield self._rule(alarm, service)

    def render(self, alarms: Mapping[str, Alarm]) -> str:
        """Return a rule file."""
        return _HEAD + "".join(rule.render() for rule in self.rules(alarms))

    def _rule(self, alarm: Alarm, service: str) -> Rule:
        threshold = self.thresholds.get(alarm.name, alarm.threshold)
        if alarm.unit == "seconds":
            threshold /= self.hurry
        names = {"service": service, "queue": self.topology.queue_name(service)}
        # In the label "le", Prometheus has 300 as 300.0.
        numbers = {"threshold": f"{threshold:g}", "bucket": str(float(threshold))}
        expr = Template(alarm.prometheus or "").substitute(names, **numbers)
        return Rule(
            alert=alarm.name,
            expr=_WINDOW.sub(self._faster, expr),
            seconds=alarm.minutes * 60 / self.hurry,
            labels={"service": service, "owner": self.topology.services[service].owner},
            annotations={
                "summary": Template(alarm.means).substitute(names),
                "description": Template(alarm.do).substitute(names),
                "runbook_url": f"{RUNBOOKS}/{alarm.name}.md",
            },
        )

    def _faster(self, window: re.Match[str]) -> str:
        seconds = int(window[1]) * _SECONDS[window[2]]
        return f"[{_duration(seconds / self.hurry)}]"


def _duration(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    return f"{milliseconds}ms" if milliseconds % 60_000 else f"{milliseconds // 60_000}m"


def load() -> dict[str, Alarm]:
    """Read the list of alarms."""
    entries: dict[str, dict[str, Any]] = json.loads(ALARMS.read_text("utf-8"))["alarms"]
    return {name: _alarm(name, entry) for name, entry in entries.items()}


def _alarm(name: str, entry: dict[str, Any]) -> Alarm:
    return Alarm(name=name, **entry | {"windows": tuple(entry.get("windows", ()))})


if __name__ == "__main__":
    RULES.write_text(Renderer(Topology.load()).render(load()), "utf-8")
