"""Terraform and the code agree on the bucket of large events."""

import re
from datetime import timedelta
from pathlib import Path

from workers.envelope import ATTRIBUTES
from workers.limits import MAX_PUBLISH_BYTES
from workers.pointer import MAX_KEY_BYTES, SIZE
from workers.runtime.memory import INBOX_RETENTION
from workers.runtime.payloads import EXPIRY_DAYS, MAX_PAYLOAD_BYTES
from workers.settings import Settings
from workers.topology import Topology

TEXT = (Path(__file__).parents[2] / "terraform/payloads.tf").read_text("utf-8")


def test_s3_deletes_objects_when_the_code_expects_it():
    assert re.findall(r"payloads_days = (\d+)", TEXT) == [str(EXPIRY_DAYS)]
    assert "days = local.payloads_days" in TEXT


def test_an_object_outlives_every_message_that_may_refer_to_it():
    """Replayed on the last day of the inbox, waiting in its queue, then in the dead letters."""
    for service in Topology.load().consumers.values():
        waits = timedelta(seconds=service.retention + service.dlq_retention)
        assert INBOX_RETENTION + waits <= timedelta(days=EXPIRY_DAYS)


def test_the_name_of_the_bucket_is_one_that_the_setting_takes():
    assert 'payloads_bucket = "${local.dns_name}-payloads"' in TEXT
    Settings(payload_bucket="prod-order-pipeline-123456789012-payloads")


def test_a_reference_and_its_attributes_fit_into_a_message():
    assert len((*ATTRIBUTES, SIZE)) <= 10
    assert MAX_KEY_BYTES * 8 < MAX_PUBLISH_BYTES < MAX_PAYLOAD_BYTES
