"""Alarms watch metrics that the tasks write, under the same names."""

import json
from contextlib import suppress

import boto3
from support.eventually import eventually

from workers.bootstrap import METRICS_NAMESPACE
from workers.ops.reports import DIFFERENCES
from workers.runtime.observability.emf import EVERY
from workers.runtime.observability.telemetry import CLOUDWATCH_METRICS

# Metrics that no running task writes: the scheduled reconciliation writes its own.
OTHERWISE = {DIFFERENCES} | ({"Paused"} - {figure.name for figure in CLOUDWATCH_METRICS})


def test_every_alarm_on_a_custom_metric_is_fed_by_a_task(deployed, stories):
    assert stories
    watched = {each for each in alarms() if each[0] not in OTHERWISE}
    assert watched

    def missing():
        return watched - {figure for task in deployed.processes.every for figure in figures(task)}

    with suppress(AssertionError):  # one line per minute
        eventually(lambda: not missing(), patience=2 * EVERY)
    assert missing() == set()


def alarms():
    """Return the name and dimensions of each metric that an alarm watches."""
    for alarm in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]:
        stats = [query.get("MetricStat", {}) for query in alarm.get("Metrics", [])]
        for metric in (alarm, *(stat.get("Metric", {}) for stat in stats)):
            if metric.get("Namespace") == METRICS_NAMESPACE:
                dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
                yield metric["MetricName"], tuple(sorted(dimensions.items()))


def figures(task):
    """Return each metric that a task has written in the embedded metric format."""
    for line in task.child.log.read_text("utf-8", "replace").splitlines():
        if '"_aws"' in line:
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                assert directive["Namespace"] == METRICS_NAMESPACE
                for names in directive["Dimensions"]:
                    dimensions = tuple(sorted((name, document[name]) for name in names))
                    yield from ((metric["Name"], dimensions) for metric in directive["Metrics"])
