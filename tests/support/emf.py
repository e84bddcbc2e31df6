"""Reads log lines in the embedded metric format, like CloudWatch.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from jsonschema import Draft202012Validator

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
UNITS = ["Seconds", "Count", "None"]  # those in use
NAME = {"type": "string", "minLength": 1, "maxLength": 1024}
METRIC = {
    "type": "object",
    "required": ["Name"],
    "properties": {"Name": NAME, "Unit": {"enum": UNITS}, "StorageResolution": {"enum": [1, 60]}},
    "additionalProperties": False,
}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "properties": {
        "Namespace": NAME,
        "Dimensions": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "array",
                "minItems": 1,
                "maxItems": 30,
                "items": {"type": "string", "minLength": 1, "maxLength": 250},
            },
        },
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": METRIC},
    },
    "additionalProperties": False,
}
METADATA = {
    "type": "object",
    "required": ["Timestamp", "CloudWatchMetrics"],
    "properties": {
        "Timestamp": {"type": "integer", "minimum": 10**12},  # ms, not s
        "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": DIRECTIVE},
    },
}
ARRAY = {"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": "number"}}
# Values with their counts and a statistic set, as AWS's exporter for OpenTelemetry writes them:
# https://github.com/open-telemetry/opentelemetry-collector-contrib/pull/22626
DISTRIBUTION = Draft202012Validator(
    {
        "type": "object",
        "required": ["Values", "Counts", "Min", "Max", "Count", "Sum"],
        "properties": {
            "Values": ARRAY,
            "Counts": ARRAY,
            **{name: {"type": "number"} for name in ("Min", "Max", "Count", "Sum")},
        },
        "additionalProperties": False,
    }
)
LINE = Draft202012Validator(
    {"type": "object", "required": ["_aws"], "properties": {"_aws": METADATA}}
)


def metrics(line):
    """Validate and read a line: (namespace, dimensions, name) -> value."""
    LINE.validate(line)
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = tuple((name, line[name]) for name in names)
            assert all(isinstance(value, str) and value for _, value in dimensions)
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                assert isinstance(value, int | float) or _is_a_distribution(value)
                found[directive["Namespace"], dimensions, metric["Name"]] = value
    return found


def numbers(line):
    """Read the metrics of a line that are one number, by name."""
    return {key[2]: value for key, value in metrics(line).items() if not isinstance(value, dict)}


def _is_a_distribution(value):
    DISTRIBUTION.validate(value)
    return (
        len(value["Values"]) == len(value["Counts"]) == len(set(value["Values"]))
        and value["Count"] == sum(value["Counts"])
        and (value["Min"], value["Max"]) == (min(value["Values"]), max(value["Values"]))
    )
