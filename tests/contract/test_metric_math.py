"""CloudWatch's alarms on expressions would fire when they should: the expressions on samples.

Nothing here evaluates an alarm as AWS does. This shows what the expressions mean, not that AWS
collects the metrics.
"""

import pytest
from support.metric_math import evaluate, expression_of

from local import alerts

ALARMS = alerts.load()


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        ({"visible": 5, "processed": 0, "failed": 0, "paused": 0}, True),
        ({"visible": 5, "processed": None, "failed": None, "paused": None}, True),  # no task
        ({"visible": 5, "processed": 1, "failed": 0, "paused": 0}, False),
        ({"visible": 5, "processed": 0, "failed": 1, "paused": 0}, False),
        ({"visible": 5, "processed": 0, "failed": 0, "paused": 1}, False),
        ({"visible": 0, "processed": 0, "failed": 0, "paused": 0}, False),
        ({"visible": None, "processed": 0, "failed": 0, "paused": 0}, None),  # an idle queue
    ],
)
def test_a_service_is_stuck_if_messages_wait_and_it_settles_none(values, fires):
    assert fired("stuck", "stuck", values) is fires


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        ({"age": 301, "paused": 0}, True),
        ({"age": 301, "paused": None}, True),
        ({"age": 300, "paused": 0}, False),
        ({"age": 9_000, "paused": 1}, False),
        ({"age": None, "paused": 0}, None),
    ],
)
def test_a_service_is_late_unless_it_is_paused(values, fires):
    assert fired("oldest", "late", values) is fires


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        ({"running": 10, "lines": 50}, False),
        ({"running": 10, "lines": 47}, False),  # processes do not start on the minute
        ({"running": 10, "lines": 45}, True),  # nine write
        ({"running": 1, "lines": None}, True),
        ({"running": 1.2, "lines": 5}, False),  # a task that has just started
        ({"running": 0, "lines": None}, False),
        ({"running": None, "lines": 5}, None),
    ],
)
def test_a_task_that_writes_no_metrics_is_frozen(values, fires):
    assert fired("frozen", "frozen", values) is fires


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        ({"desired": 2, "running": 1}, True),
        ({"desired": 2, "running": None}, True),
        ({"desired": 2, "running": 2}, False),
        ({"desired": None, "running": None}, None),
    ],
)
def test_a_task_that_should_run_and_does_not_is_missing(values, fires):
    assert fired("missing_tasks", "missing-tasks", values) is fires


@pytest.mark.parametrize(
    ("resource", "alarm", "errors", "fires"),
    [
        ("api_errors", "api-errors", 11, True),
        ("api_errors", "api-errors", 10, False),
        ("api_errors", "api-errors", None, False),
        ("burn", "order-burn-fast", 15, True),
        ("burn", "order-burn-fast", 14, False),
        ("burn", "order-burn-slow", 7, True),
        ("burn", "order-burn-slow", 6, False),
        ("burn", "order-burn-slow", None, False),
    ],
)
def test_the_share_of_failed_requests_counts(resource, alarm, errors, fires):
    assert fired(resource, alarm, {"errors": errors, "requests": 1_000}) is fires
    assert fired(resource, alarm, {"errors": None, "requests": 0}) is False


def fired(resource, alarm, values):
    """Return whether the value is above the threshold; None without a value."""
    value = evaluate(expression_of(resource), **values)
    return None if value is None else value > ALARMS[alarm].threshold
