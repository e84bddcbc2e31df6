"""Notification counts the mails that it withholds, also for CloudWatch."""

import pytest
from structlog.testing import capture_logs

from workers.bootstrap import build
from workers.topology import Topology

pytestmark = pytest.mark.integration


def test_notification_reports_withheld_mails_from_zero(provisioned):
    settings = provisioned.model_copy(update={"environment": "test"})

    program = build("notification", settings, Topology.load())

    assert program.status.registry.get_sample_value("mails_withheld_total") == 0
    with capture_logs() as lines:
        program.metric_lines.write()
    assert lines[0]["MailsWithheld"] == 0
