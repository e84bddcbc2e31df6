"""The list of alarms, the rules of Prometheus and the runbooks agree; promtool tests each rule."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.alarm_samples import SAMPLES

from local import alerts
from workers.topology import Topology

ROOT = Path(__file__).parents[2]
ALARMS = alerts.load()
TOPOLOGY = Topology.load()
RULES = list(alerts.Renderer(TOPOLOGY).rules(ALARMS))

# Prometheus has no rule, because ...
CLOUDWATCH_ONLY = {
    "archive-errors": "only AWS has Firehose",
    "archive-failed": "only AWS has Firehose",
    "archive-late": "only AWS has Firehose",
    "archive-undelivered": "only Terraform creates the queue",
    "undelivered": "only Terraform creates these queues",
    "delivery-failed": "SNS reports it to CloudWatch only",
    "reconciliation-differences": "only on AWS it runs on a schedule",
    "reconciliation-missed": "only on AWS it runs on a schedule",
}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None and os.environ.get("PROMTOOL") != "required",
    reason="NOT TESTED: the alert rules. Install promtool (Debian's package prometheus).",
)


def promtool(*arguments):
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["promtool", *arguments],  # noqa: S607 - wherever it is installed
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_those_of_the_list_and_the_map():
    """``python -m local.alerts`` renders them."""
    assert alerts.RULES.read_text("utf-8") == alerts.Renderer(TOPOLOGY).render(ALARMS)


def test_prometheus_has_every_alarm_that_it_can_evaluate():
    without = {name for name, alarm in ALARMS.items() if alarm.prometheus is None}
    assert without == CLOUDWATCH_ONLY.keys()


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_an_alarm_says_what_it_means_what_to_do_and_whose_it_is(alarm):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", alarm.name)
    for sentences in (alarm.means, alarm.do):
        assert re.fullmatch(r"(\S.*)\.", sentences)
    assert alarm.watched(TOPOLOGY)
    assert all(TOPOLOGY.services[service].owner for service in alarm.watched(TOPOLOGY))


def test_the_rules_tell_the_owner_and_the_runbook():
    assert {rule.labels["service"]: rule.labels["owner"] for rule in RULES} == {
        name: service.owner for name, service in TOPOLOGY.services.items()
    }
    for rule in RULES:
        assert (ROOT / rule.annotations["runbook_url"]).is_file()


def test_compose_loads_the_rules():
    loaded = (ROOT / "docker/prometheus/prometheus.yml").read_text("utf-8")
    assert "rule_files: [/etc/prometheus/alerts.yml]" in loaded
    assert "./docker/prometheus/alerts.yml:/etc/prometheus/alerts.yml:ro" in (
        ROOT / "docker-compose.yml"
    ).read_text("utf-8")


def test_hurried_rules_have_shorter_times_and_thresholds():
    hurried = alerts.Renderer(TOPOLOGY, hurry=60, thresholds={"in-flight": 3})
    rules = {(rule.alert, rule.labels["service"]): rule for rule in hurried.rules(ALARMS)}

    assert rules["stuck", "payment"].seconds == 10
    assert "[2000ms]" in rules["stuck", "payment"].expr
    assert 'le="5.0"' in rules["late", "payment"].expr
    assert rules["outbox-old", "relay"].expr.startswith("max(outbox_oldest_seconds) > 1 ")
    assert rules["in-flight", "payment"].expr.endswith(" > 3")
    assert rules["dead-letters", "payment"].expr.endswith(" > 0")


@needs_promtool
def test_promtool_accepts_the_rules():
    promtool("check", "rules", str(alerts.RULES))


def test_there_is_a_sample_that_fires_and_ends_for_every_rule():
    tested = {
        sample.alarm for sample in SAMPLES if sample.fires and max(sample.quiet) > max(sample.fires)
    }
    assert tested == {rule.alert for rule in RULES}


@needs_promtool
@pytest.mark.parametrize("alarm", sorted({rule.alert for rule in RULES}))
def test_an_alarm_fires_and_ends_for_every_service(tmp_path, alarm):
    check(tmp_path, alarm, [sample for sample in SAMPLES if sample.alarm == alarm])


@needs_promtool
@pytest.mark.parametrize("sample", SAMPLES[:2], ids=lambda sample: sample.alarm)
def test_promtool_notices_a_rule_that_fires_at_another_time(tmp_path, sample):
    wrong = replace(sample, fires=sample.quiet, quiet=sample.fires)

    with pytest.raises(AssertionError, match=f"alertname: {sample.alarm}"):
        check(tmp_path, sample.alarm, [wrong])


def check(folder, alarm, samples):
    """Let promtool test the rules of one alarm with some samples."""
    rules, test = folder / "rules.yml", folder / "test.yml"
    rules.write_text(alerts.Renderer(TOPOLOGY).render({alarm: ALARMS[alarm]}), "utf-8")
    cases = [case(s, rule) for rule in RULES if rule.alert == alarm for s in samples]
    # JSON is YAML too
    test.write_text(json.dumps({"rule_files": [str(rules)], "tests": cases}), "utf-8")
    promtool("test", "rules", str(test))


def case(sample, rule):
    service = rule.labels["service"]
    told = {"exp_labels": rule.labels, "exp_annotations": rule.annotations}
    others = {f'up{{service="{each}"}}': "1x500" for each in TOPOLOGY.services if each != service}
    return {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values}
            for name, values in (others | sample.named(service)).items()
        ],
        "alert_rule_test": [
            {"eval_time": f"{minute}m", "alertname": rule.alert, "exp_alerts": expected}
            for minutes, expected in ((sample.fires, [told]), (sample.quiet, []))
            for minute in minutes
        ],
    }
