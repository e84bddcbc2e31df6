"""Every expression of dashboard and alert rules uses metrics and labels that are exported."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import promql_parser
import pytest
from prometheus_client import CollectorRegistry

from local import alerts
from workers.api.access import AccessMetrics
from workers.ops.exporter import QueueDepths
from workers.ops.queues import QueueState
from workers.relay import RelayMetrics
from workers.runtime.observability.telemetry import Telemetry
from workers.topology import Topology

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "docker/grafana/dashboards/pipeline.json").read_text("utf-8"))
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
# Labels that Prometheus adds to every series, and the series that it creates per target.
OF_PROMETHEUS = {"instance", "job", "service"}
UP = {"up": set()}
RULES = list(alerts.Renderer(Topology.load()).rules(alerts.load()))
TERRAFORM = (ROOT / "terraform" / "dashboard.tf").read_text("utf-8")


@pytest.fixture(scope="module")
def series():
    """Return the labels of every series by name, after each has been set once."""
    registry = CollectorRegistry()
    access, relay = AccessMetrics(registry), RelayMetrics(registry)
    access.requests.labels("/orders", "POST", "202").inc()
    access.duration.labels("/orders", "POST", "202").observe(1)
    relay.oldest.labels("0").set(1)
    queue = QueueState("payment", "payment-queue", visible=1, in_flight=0, delayed=0, dead=0)
    registry.register(QueueDepths(lambda: SimpleNamespace(states=lambda: [queue])))
    telemetry = Telemetry("payment-queue", service="payment")
    telemetry.settled("order.created", "delete", "handled", duration=1, critical=1)
    telemetry.breaker_open("ses").set(1)
    telemetry.consumed.inc()
    relay.published.labels("published").inc()
    samples = [
        s for each in (registry, telemetry.registry) for m in each.collect() for s in m.samples
    ]
    return UP | {sample.name: set(sample.labels) for sample in samples}


def asked(expression):
    """Return the metrics and labels in an expression."""
    metrics, labels = set(), set()

    def visit(node):
        match node:
            case promql_parser.VectorSelector():
                metrics.add(node.name)
                labels.update(matcher.name for matcher in node.matchers.matchers)
            case promql_parser.AggregateExpr() if node.modifier:
                labels.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return metrics, labels


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"])
def test_an_expression_uses_known_metrics_and_labels(series, target):
    metrics, labels = asked(target["expr"])
    shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))

    assert metrics
    assert metrics <= set(series)
    known = set().union(*(series[metric] for metric in metrics))
    assert labels | shown <= known | OF_PROMETHEUS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.alert}-{rule.labels['service']}")
def test_an_alert_rule_uses_known_metrics_and_labels(series, rule):
    metrics, labels = asked(rule.expr)

    assert metrics
    assert metrics <= set(series)
    known = set().union(*(series[metric] for metric in metrics))
    assert labels <= known | OF_PROMETHEUS


def test_grafana_and_cloudwatch_have_the_same_graphs():
    graphs = TERRAFORM.partition("  graphs = [")[2].partition("\n  ]")[0]

    assert re.findall(r'title\s+= "([^"]+)"', graphs) == [p["title"] for p in DASHBOARD["panels"]]


@pytest.mark.parametrize(
    "wrong", ["sum(messaging_settled_total)", 'messaging_settlements_total{queue="q"}']
)
def test_the_check_notices_unknown_metrics_and_labels(series, wrong):
    metrics, labels = asked(wrong)
    known = set().union(*series.values(), OF_PROMETHEUS)
    assert not (metrics <= set(series) and labels <= known)


def test_the_dashboard_shows_the_important_metrics():
    metrics = set().union(*(asked(target["expr"])[0] for target in TARGETS))
    assert metrics >= {
        "messaging_breaker_open",
        "messaging_critical_time_seconds_bucket",
        "messaging_process_duration_seconds_bucket",
        "messaging_queue_age_seconds_bucket",
        "messaging_queue_messages",
        "messaging_settlements_total",
        "messaging_slot_wait_seconds_bucket",
        "outbox_oldest_seconds",
    }


def test_the_dashboard_is_classic_json_on_the_provisioned_data_source():
    assert isinstance(DASHBOARD["panels"], list)  # file provisioning cannot read v2 JSON
    assert "spec" not in DASHBOARD
    provisioned = (ROOT / "docker/grafana/provisioning/datasources/prometheus.yml").read_text()
    used = {target["datasource"]["uid"] for target in TARGETS}
    assert used == set(re.findall(r"^    uid: (\w+)$", provisioned, re.MULTILINE))


def test_panels_do_not_overlap():
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
