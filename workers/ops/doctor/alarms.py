"""Examines whether the alarms of terraform/ exist and reach somebody. On AWS only."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from workers.aws.errors import translated
from workers.ops.doctor.finding import Finding
from workers.ops.doctor.scope import Scope
from workers.topology import Topology

AREA: Final = "alarm"
PIPELINE: Final = "order-pipeline"  # local.name in terraform/, after the prefix
# terraform/alarms.tf and alarms_system.tf
OF_A_CONSUMER: Final = ("dead-letters", "undelivered", "late", "stuck", "breaker-open")
OF_A_SERVICE: Final = ("missing-tasks",)
OF_THE_SYSTEM: Final = ("outbox-old", "outbox-set-aside", "delivery-failed", "api-errors")
_PAGE: Final = 100  # names that DescribeAlarms takes


def examine_alarms(scope: Scope) -> Iterator[Finding]:
    """Examine every alarm that this version knows."""
    wanted = names(scope.topology, scope.settings.name_prefix)
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(wanted), _PAGE):
        page = wanted[start : start + _PAGE]
        with translated("cloudwatch"):
            answer = scope.cloudwatch.describe_alarms(AlarmNames=page, MaxRecords=_PAGE)
        found |= {each["AlarmName"]: each for each in answer["MetricAlarms"]}
    for name in wanted:
        for problem in alarm_problems(found.get(name)):
            yield Finding(AREA, name, problem, scope.repair)


def alarm_problems(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Examine one alarm."""
    if found is None:
        yield "does not exist: nobody is told"
    elif not found.get("ActionsEnabled", True):
        yield "its actions are disabled: nobody is told"
    elif not found.get("AlarmActions"):
        yield "has no action: nobody is told"


def names(topology: Topology, prefix: str) -> list[str]:
    """Name the alarms."""
    of_services = [f"{name}-{kind}" for name in topology.services for kind in OF_A_SERVICE]
    of_consumers = [f"{name}-{kind}" for name in topology.consumers for kind in OF_A_CONSUMER]
    kinds = sorted([*of_services, *of_consumers, *OF_THE_SYSTEM])
    return [f"{prefix}{PIPELINE}-{kind}" for kind in kinds]
