"""Corrects moto's CloudWatch, which returns composite alarms but cannot create them."""
# ruff: noqa: SLF001 - a patch reaches into what it patches

from moto.cloudwatch.models import Alarm
from moto.cloudwatch.responses import CloudWatchResponse as Response
from moto.core.responses import ActionResult, EmptyResult

from local.aws.patch import Method, wrap


def correct() -> None:
    """Apply the correction of this module."""
    _create_composite_alarms()


def _create_composite_alarms() -> None:
    """Create an alarm from a rule over other alarms, and return its rule.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
    """

    def put(request: Response) -> ActionResult:
        read = request._get_param
        request.cloudwatch_backend.put_metric_alarm(
            name=read("AlarmName"),
            rule=read("AlarmRule"),
            description=read("AlarmDescription"),
            alarm_actions=read("AlarmActions", []),
            ok_actions=read("OKActions", []),
            insufficient_data_actions=read("InsufficientDataActions", []),
            actions_enabled=read("ActionsEnabled", if_none=True),
            tags=read("Tags", []),
            dimensions=[],
            # Only an alarm on a metric has these:
            namespace=None,  # type: ignore[arg-type]
            metric_name=None,  # type: ignore[arg-type]
            comparison_operator=None,  # type: ignore[arg-type]
            evaluation_periods=None,  # type: ignore[arg-type]
            period=None,  # type: ignore[arg-type]
            threshold=None,  # type: ignore[arg-type]
            statistic=None,  # type: ignore[arg-type]
        )
        return EmptyResult()

    setattr(Response, "put_composite_alarm", put)  # noqa: B010 - moto declares no such method

    @wrap(Alarm, "__init__")
    def create(original: Method, alarm: Alarm, *args: object, **named: object) -> None:
        original(alarm, *args, **named)
        setattr(alarm, "alarm_rule", alarm.rule)  # noqa: B010 - its name in the response
