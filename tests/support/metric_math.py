"""Evaluates CloudWatch's metric math at one moment, as far as our alarms use it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
A metric without a value at a moment is None, and so is what is computed from it without ``FILL``.
"""

import math
import re
from pathlib import Path

TERRAFORM = Path(__file__).parents[2] / "terraform"
_FUNCTIONS = {
    "CEIL": math.ceil,
    "FILL": lambda value, other: other if value is None else value,
    "FLOOR": math.floor,
    "IF": lambda condition, then, otherwise: then if condition else otherwise,
}


class _Divisor(float):
    """A value by which a division by zero has no result, instead of an error."""

    def __rtruediv__(self, other):
        return None if self == 0 else other / float(self)


def evaluate(expression, **values):
    """Return the value of an expression, or None if a metric that it needs has none."""
    values = {name: None if v is None else _Divisor(v) for name, v in values.items()}
    python = expression.replace(" AND ", " and ").replace(" OR ", " or ")
    try:
        # Our own expressions, from terraform/.
        return eval(python, {"__builtins__": {}}, _FUNCTIONS | values)  # noqa: S307
    except TypeError:  # an operation with None
        return None


def expression_of(alarm):
    """Return the expression of an alarm in ``terraform/alarms*.tf``; ``alarm`` is its resource."""
    text = "".join(path.read_text("utf-8") for path in sorted(TERRAFORM.glob("alarms*.tf")))
    resource = text.partition(f'resource "aws_cloudwatch_metric_alarm" "{alarm}" {{')[2]
    return re.search(r'expression\s+= "([^"]+)"', resource)[1]
