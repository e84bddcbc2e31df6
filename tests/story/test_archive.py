"""The archive has every event, and analytics rebuilt from it has the same figures."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal

import boto3
import httpx
import pytest
from support.eventually import eventually

from local.demo.run import Demo
from local.system import System
from workers.aws import names
from workers.aws.archive import bucket_name
from workers.aws.sns import SnsTopic
from workers.envelope import Encoded
from workers.ops.queues import Queues
from workers.samples import SampleOrder

pytestmark = [pytest.mark.story, pytest.mark.timeout(300)]

ACCOUNT = "123456789012"
PATIENCE = 60  # s


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    with System(tmp_path_factory.mktemp("archive") / "logs") as system:
        yield system


@pytest.fixture(scope="module")
def played(system):
    """Play every scenario."""
    result = Demo(system, orders=12, seed=5, show=lambda _: None).run()
    assert [check for check in result.checks if not check.held] == []
    return system


def published(system):
    """Return every event on record in the tables, by source and id: outboxes and inboxes."""
    found = {}
    dynamodb = boto3.client("dynamodb")
    for table in system.topology.tables:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            for item in page["Items"]:
                bodies = [each["S"] for each in item.get("outcomes", {}).get("L", [])]
                if item["pk"]["S"].startswith("outbox#"):
                    bodies.append(item["body"]["S"])
                for body in bodies:
                    event = json.loads(body)
                    found[event["source"], event["eventId"]] = body
    return found


def archived(system):
    """Return the archived lines."""
    s3, found = boto3.client("s3"), []
    bucket = bucket_name(system.settings.name_prefix, ACCOUNT)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for each in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
            assert each["Key"].startswith("events/")
            found += gzip.decompress(body).decode().splitlines()
    return found


def figures_of(events):
    """Count events by type and sum the revenue, without the code under test."""
    totals = Counter()
    for body in events:
        event = json.loads(body)
        totals[event["eventType"]] += 1
        sign = {"payment.completed": 1, "payment.refunded": -1}.get(event["eventType"], 0)
        if sign:
            amount = Decimal(event["data"]["amount"])
            totals[f"revenue.{event['data']['currency']}"] += sign * amount
    return {name: Decimal(total) for name, total in totals.items()}


def workers(*arguments):
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "workers", *arguments, "--json"],
        capture_output=True,
        env=os.environ,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def counters():
    return {name: Decimal(total) for name, total in workers("counters", "--hours", "24").items()}


def all_handled(system):
    """Return whether no queue has a message, except for dead letters."""
    states = Queues(system.clients, system.settings, system.topology).states()
    return not any(q.visible or q.in_flight or q.delayed for q in states)


def test_nothing_that_was_published_is_missing_in_the_archive(played):
    lines = archived(played)
    found = {
        (event["source"], event["eventId"]): line for line in lines for event in [json.loads(line)]
    }
    assert found == published(played)
    assert len(lines) >= len(found)  # an event that was published twice is there twice


def test_analytics_rebuilt_under_load_has_the_same_figures(played):
    before = counters()
    assert before == figures_of(published(played).values())
    topic = SnsTopic(
        played.clients.sns(), names.topic_arn(played.clients.sns(), played.settings, "order-events")
    )
    old = [Encoded.read(body) for body in published(played).values()]
    rebuild = subprocess.Popen(  # noqa: S603 - our own interpreter
        [
            *(sys.executable, "-m", "workers", "replay", "analytics", "--rebuild", "--yes"),
            *("--archive-delay", "0", "--json"),
        ],
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # Until the rebuild ends, customers go on, and events come back.
    number = 1_000
    with httpx.Client(base_url=played.api_url, timeout=30) as api:
        while rebuild.poll() is None:
            order = SampleOrder(number, "success", (("MOUSE-002", 1),))
            headers = {"Idempotency-Key": order.idempotency_key}
            assert api.post("/orders", json=order.body(), headers=headers).is_success
            assert topic.publish(old[number % 50 :: 50]) == {}
            number += 1
            time.sleep(0.5)
    output, errors = rebuild.communicate()
    assert rebuild.returncode == 0, errors
    assert json.loads(output)["generation"] == 1
    eventually(lambda: all_handled(played), PATIENCE)

    after = counters()

    assert after == figures_of(published(played).values())
    assert after["order.created"] == before["order.created"] + number - 1_000


def test_a_second_rebuild_starts_from_nothing_too(played):
    rebuild = ("replay", "analytics", "--rebuild", "--yes", "--archive-delay", "0")
    first, result = workers(*rebuild), workers(*rebuild)

    assert result["generation"] == first["generation"] + 1
    assert result["events"] == len(published(played))
    assert counters() == figures_of(published(played).values())
