"""The result of a reconciliation is a line of metrics."""

import re
from pathlib import Path

from support import emf

from workers.bootstrap import METRICS_NAMESPACE
from workers.ops import reports

TERRAFORM = Path(__file__).parents[3] / "terraform" / "reconcile.tf"


def test_the_number_of_differences_is_a_metric_of_the_environment():
    line = reports.differences(3, environment="prod", now=1_800_000_000)

    where = (("Environment", "prod"), ("Service", "reconcile"))
    assert emf.metrics(line) == {(METRICS_NAMESPACE, where, "ReconciliationDifferences"): 3}


def test_the_alarms_watch_this_metric():
    text = TERRAFORM.read_text("utf-8")

    assert re.search(r'reconcile_name\s+= "(\w+)"', text)[1] == reports.SERVICE
    assert f'metric_name         = "{reports.DIFFERENCES}"' in text
