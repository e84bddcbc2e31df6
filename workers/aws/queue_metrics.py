"""Reads from CloudWatch what SQS's own API does not tell about queues: ages and arrivals.

SQS sends its metrics once a minute, so they are up to two minutes old. An emulator has none.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from workers.aws.errors import translated

PERIOD: Final = 60  # s
_LOOK_BACK: Final = timedelta(minutes=5)
_METRICS: Final = {
    "oldest": ("ApproximateAgeOfOldestMessage", "Maximum"),
    "sent": ("NumberOfMessagesSent", "Sum"),
}


@dataclass(frozen=True)
class QueueMetrics:
    """The newest values of one queue; None without a value in the last five minutes."""

    oldest_seconds: float | None = None
    sent_per_second: float | None = None


def queue_metrics(
    cloudwatch: Any, queues: Sequence[str], now: datetime
) -> Mapping[str, QueueMetrics]:
    """Read the metrics of queues, by their names, in one request.

    CloudWatch charges for each metric asked for, two for each queue. Takes up to 250 queues: a
    request has at most 500 metrics.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
    """
    with translated("cloudwatch"):
        answer = cloudwatch.get_metric_data(
            StartTime=now - _LOOK_BACK,
            EndTime=now,
            MetricDataQueries=[
                _query(f"{key}{number}", metric, statistic, queue)
                for number, queue in enumerate(queues)
                for key, (metric, statistic) in _METRICS.items()
            ],
        )
    newest = {
        each["Id"]: each["Values"][0] for each in answer["MetricDataResults"] if each["Values"]
    }
    return {queue: _metrics(newest, number) for number, queue in enumerate(queues)}


def _query(name: str, metric: str, statistic: str, queue: str) -> dict[str, Any]:
    dimensions = [{"Name": "QueueName", "Value": queue}]
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {"Namespace": "AWS/SQS", "MetricName": metric, "Dimensions": dimensions},
            "Period": PERIOD,
            "Stat": statistic,
        },
    }


def _metrics(newest: Mapping[str, float], number: int) -> QueueMetrics:
    sent = newest.get(f"sent{number}")
    return QueueMetrics(newest.get(f"oldest{number}"), None if sent is None else sent / PERIOD)
