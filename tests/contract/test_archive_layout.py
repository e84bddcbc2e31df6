"""Terraform, the embedded AWS and the reader of the archive agree on its layout."""

import json
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest
from support.builders import an_envelope, encoded

from local.aws.services.firehose import Unpartitioned, partition_keys
from workers.aws.archive import ERROR_PREFIX, PREFIX, QUERY, bucket_name, prefix_of
from workers.cli.rebuild import DELAY
from workers.pointer import Named, Pointer

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


# --- references to large events, with var.large_payloads ---------------------------------

REFERENCES = re.search(r'archive_query_references = "(.*)"\n', DELIVERY)[1].replace('\\"', '"')
ENVELOPE = an_envelope()
REFERENCE = Pointer("payloads", Named.of(ENVELOPE, b"").key).text


def jq(record):
    """Evaluate the query as Firehose does, which uses jq 1.6."""
    program = shutil.which("jq")
    if program is None:
        pytest.skip("jq is not installed")
    done = subprocess.run(  # noqa: S603 - the query in archive_delivery.tf
        [program, "-c", REFERENCES], input=record, capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


@pytest.mark.parametrize("evaluate", [lambda record: partition_keys(REFERENCES, record), jq])
@pytest.mark.parametrize("record", [encoded().body, REFERENCE], ids=["event", "reference"])
def test_a_reference_is_archived_under_day_and_type_of_its_event(evaluate, record):
    assert evaluate(record) == {"day": "2026-01-02", "type": "order.created"}


def test_a_reference_with_a_key_of_somebody_else_is_archived_as_unreadable():
    record = Pointer("payloads", "4c4bd8b4").text
    with pytest.raises(Unpartitioned):
        partition_keys(REFERENCES, record)
    assert (jq(record) or {}).get("type") is None
