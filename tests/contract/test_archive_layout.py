"""Terraform, the embedded AWS and the reader of the archive agree on its layout."""

import re
from datetime import date
from pathlib import Path

from support.builders import encoded

from local.aws.services.firehose import partition_keys
from workers.aws.archive import ERROR_PREFIX, PREFIX, QUERY, bucket_name, prefix_of
from workers.cli.rebuild import DELAY

TERRAFORM = Path(__file__).parents[2] / "terraform"
DELIVERY = (TERRAFORM / "archive_delivery.tf").read_text("utf-8")


def the(argument):
    """Return the only text of an argument in archive_delivery.tf."""
    [found] = re.findall(rf'^\s*{argument}\s+= "?([^"\n#]+?)"?\s*(?:#.*)?$', DELIVERY, re.MULTILINE)
    return found


def test_firehose_writes_where_the_archive_is_read():
    assert the("prefix") == PREFIX
    assert the("error_output_prefix") == ERROR_PREFIX
    assert f'"{QUERY}"' in DELIVERY


def test_the_prefix_of_an_event_is_that_of_its_day_and_type():
    event = encoded()
    keys = partition_keys(QUERY, event.body)
    written = re.sub(r"!\{partitionKeyFromQuery:(\w+)\}", lambda name: keys[name[1]], PREFIX)
    assert written == prefix_of(date(2026, 1, 2), "order.created")


def test_the_bucket_has_the_name_that_the_command_looks_for():
    text = (TERRAFORM / "locals.tf").read_text("utf-8")
    assert 'dns_name = "${replace(lower(local.name), "_", "-")}-${local.account_id}"' in text
    assert 'name = "${local.name_prefix}order-pipeline"' in text
    archive = (TERRAFORM / "archive.tf").read_text("utf-8")
    assert 'archive_bucket = "${local.dns_name}-archive"' in archive
    assert bucket_name("dev_1-", "1234") == "dev-1-order-pipeline-1234-archive"


def test_a_rebuild_waits_longer_than_firehose_buffers():
    """Firehose may take 1.5 times as long as the buffer says."""
    assert int(the("archive_buffer")) * 1.5 < DELAY
