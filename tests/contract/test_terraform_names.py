"""Terraform uses the code's metric names and the routes of order-api."""

import re
from pathlib import Path

import pytest
from support.order_api import Api

from workers.api.origin import HEADER
from workers.bootstrap import METRICS_NAMESPACE
from workers.ops.reports import DIFFERENCES
from workers.provision.policies import redrive_policy
from workers.relay import metrics as relay_metrics
from workers.runtime.observability import telemetry
from workers.settings import Settings
from workers.topology import MAX_RECEIVE_COUNT

TERRAFORM = Path(__file__).parents[2] / "terraform"
ALARMS = "".join(path.read_text("utf-8") for path in sorted(TERRAFORM.glob("alarms*.tf")))
DASHBOARD = (TERRAFORM / "dashboard.tf").read_text("utf-8")
WATCHED = ALARMS + "".join(
    (TERRAFORM / name).read_text("utf-8") for name in ("reconcile.tf", "releases.tf")
)
FIGURES = {
    *(figure.name for figure in telemetry.CLOUDWATCH_METRICS),
    *(figure.name for figure in relay_metrics.CLOUDWATCH_METRICS),
    DIFFERENCES,
}
API = (TERRAFORM / "api.tf").read_text("utf-8")


def test_alarms_watch_the_namespace_that_workers_write_to():
    assert re.search(r'metrics = "(\w+)"', ALARMS)[1] == METRICS_NAMESPACE


# Dead letters are in the dead-letter queue, which has its own alarm.
@pytest.mark.parametrize("name", sorted(FIGURES - {"DeadLettered"}))
def test_every_metric_has_an_alarm_or_a_graph(name):
    assert f'"{name}"' in WATCHED + DASHBOARD


def test_alarms_watch_only_metrics_that_the_code_writes():
    blocks = re.findall(
        r"namespace\s+= local\.metrics\n\s+metric_name\s+= \"(\w+)\"", WATCHED
    ) + re.findall(r'= \{ name = "(\w+)", stat', WATCHED)

    assert {"BreakerOpen", "OutboxAge", "Paused", "MessagesFailed"} <= set(blocks)
    assert set(blocks) <= FIGURES


def test_the_api_has_every_route_of_an_order_and_no_other():
    paths = Api().get("/openapi.json").json()["paths"]

    routes = dict(re.findall(r'^    "(\w+ /\S*)"\s+= \[(.*)\]$', API, re.MULTILINE))

    assert {route: re.findall(r"\w+", scopes) for route, scopes in routes.items()} == {
        f"{method.upper()} {path}": [
            scope.removeprefix("orders:")
            for each in operation["security"]
            for scope in next(iter(each.values()))
        ]
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path != "/healthz"
    }


def test_order_api_checks_the_header_that_cloudfront_adds():
    edge = (TERRAFORM / "edge.tf").read_text("utf-8")

    assert re.search(r'name  = "(\S+)"', edge)[1].lower().encode() == HEADER
    assert {"ORIGIN_KEY", "OTHER_ORIGIN_KEY"} == set(re.findall(r'"(\w*ORIGIN_KEY)"', edge))
    assert {"origin_key", "other_origin_key"} <= Settings.model_fields.keys()


def test_sqs_dead_letters_a_message_as_late_as_it_can():
    """Queues from Terraform and from the provisioner have the same limit."""
    messaging = (TERRAFORM / "messaging.tf").read_text("utf-8")
    assert re.findall(r"max_receive_count\s+= (\S+)", messaging) == [str(MAX_RECEIVE_COUNT)]
    assert redrive_policy("arn")["maxReceiveCount"] == MAX_RECEIVE_COUNT


def test_the_alarms_of_the_archive_have_the_texts_of_the_list():
    files = sorted(TERRAFORM.glob("archive*.tf"))
    text = "".join(path.read_text("utf-8") for path in files)
    alarms = text.count('resource "aws_cloudwatch_metric_alarm"')
    assert 0 < alarms == text.count('local.alarm_texts["archive-')
