"""A replay that is killed with SIGKILL half way goes on where it stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.builders import an_order, encoded

from local.archive import ensure_archive
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.sns import SnsTopic
from workers.topology import Topology

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

EVENTS = 1_500
COMMAND = ("replay", "payment", "--from", "2026-01-01", "--forgotten", "--yes", "--json")


@pytest.fixture
def environment(provisioned):
    return os.environ | {"NAME_PREFIX": provisioned.name_prefix}


@pytest.fixture
def start(environment):
    def start(*arguments):
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "workers", *COMMAND, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_nothing_is_lost_and_little_is_sent_twice(provisioned, start):
    clients = Clients.connect(provisioned, threads=1)
    sns, sqs = clients.sns(), clients.control()
    topic = SnsTopic(sns, names.topic_arn(sns, provisioned, Topology.load().topic))
    ensure_archive(topic.arn, provisioned.name_prefix)
    url = names.queue_url(sqs, provisioned, "payment")
    published = [encoded(an_order(), event_id=f"event-{n}") for n in range(EVENTS)]
    assert topic.publish(published) == {}
    drain(sqs, url)

    killed = start("--rate", "300")
    while depth(sqs, url) < EVENTS / 3:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert depth(sqs, url) < EVENTS

    second = start()
    output, errors = second.communicate()

    assert second.returncode == 0, errors
    assert "going on after" in errors
    assert json.loads(output)["read"] == EVENTS
    bodies = drain(sqs, url)
    assert set(bodies) == {event.body for event in published}
    assert len(bodies) - EVENTS <= 1_000  # the chunks since the position was last saved


def test_a_second_replay_to_the_service_has_to_wait(provisioned, start):
    clients = Clients.connect(provisioned, threads=1)
    sns = clients.sns()
    topic = SnsTopic(sns, names.topic_arn(sns, provisioned, Topology.load().topic))
    ensure_archive(topic.arn, provisioned.name_prefix)
    assert topic.publish([encoded(an_order(), event_id=f"event-{n}") for n in range(200)]) == {}

    first = start("--rate", "10")
    while '"running' not in (row := operation(clients, provisioned)):
        assert first.poll() is None, (row, first.communicate())
        time.sleep(0.1)
    second = start()
    _, errors = second.communicate()
    first.send_signal(signal.SIGINT)
    output, told = first.communicate()

    assert second.returncode == 1
    assert "another replay to payment is running" in errors
    assert first.returncode == 75
    assert "run the same command again to go on" in told
    assert json.loads(output)["events"] < 200


def operation(clients, settings):
    """Return the row of the running replay."""
    item = clients.dynamodb().get_item(
        TableName=f"{settings.name_prefix}payment", Key={"pk": {"S": "operation#replay"}}
    )
    return json.dumps(item.get("Item", {}))


def depth(sqs, url):
    name = "ApproximateNumberOfMessages"
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(found["Attributes"][name])


def drain(sqs, url):
    """Receive and delete all messages; return their bodies."""
    bodies = []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get(
        "Messages"
    ):
        bodies += [each["Body"] for each in batch]
        sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]}
                for n, each in enumerate(batch)
            ],
        )
    return bodies
