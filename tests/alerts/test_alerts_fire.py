"""Every alert fires when its cause is there, ends when it is gone, and its page's commands work.

The page of the alarm is run while it fires: each `workers` command with the service of the page,
so that nobody reads a command in an emergency that was never run.
"""

import os
import signal
import time
from datetime import UTC, datetime

import pytest
from support.builders import an_order, encoded
from support.eventually import eventually
from support.runbooks import commands_of
from typer.testing import CliRunner

from alerts.rig import HURRY
from local import alerts
from local.aws.faults.rules import Rule
from workers import cli
from workers.aws import names
from workers.ops.dlq import look
from workers.ops.queues import Queues

pytestmark = [pytest.mark.story, pytest.mark.timeout(400)]

SERVICE = "payment"
STUCK = 600 / HURRY  # s until a stuck service fires
SEEN = 15  # s until every worker has seen a pause
FIRED = set()


# Commands that would end an alarm for the wrong reason, or change what later tests need.
NOT_RUN = {"discard", "pause", "replay", "smoke", "5b1c"}  # the last is the example of a group
KNOWN = "4f6c", "3f0a"  # the ids in the pages


def run_page(name, known=""):
    """Run the `workers` commands of a page and return their outputs; ``known`` is an id."""
    outputs = {}
    for command in commands_of(name, "workers"):
        if command.mentioned or NOT_RUN & set(command.arguments):
            continue
        arguments = [known if known and word in KNOWN else word for word in command.arguments]
        done = CliRunner().invoke(cli.build(), arguments)
        assert done.exit_code in (0, 1), (command.text, done.output)  # 1: it found something
        assert isinstance(done.exception, SystemExit | None), (command.text, done.exception)
        outputs[command.text] = done.output
    return outputs


def run(arguments):
    """Run a command that has to succeed."""
    done = CliRunner().invoke(cli.build(), arguments)
    assert done.exit_code == 0, done.output


def fires(watching, *wanted):
    took = watching.fires(*wanted)
    FIRED.update(name for name, _ in wanted)
    print(f"fired: {took}")  # noqa: T201 - figures for the documents


def ends(watching, *wanted):
    print(f"ended: {watching.ends(*wanted)}")  # noqa: T201


def children(system, service=SERVICE):
    return [child for child in system.processes.children if child.service == service]


def queue_url(system, service=SERVICE):
    return names.queue_url(system.clients.control(), system.settings, service)


def dlq_url(system, service=SERVICE):
    return names.dlq_url(system.clients.control(), system.settings, service)


def send(system, count, service=SERVICE):
    """Send events of new orders to one queue; return the number of the last."""
    sqs = system.clients.control()
    for _ in range(count):
        event = encoded(
            an_order(order_id=os.urandom(8).hex()),
            event_id=os.urandom(8).hex(),
            occurred_at=datetime.now(UTC),
        )
        attributes = {
            name: {"DataType": "String", "StringValue": text}
            for name, text in event.attributes.items()
        }
        sqs.send_message(
            QueueUrl=queue_url(system, service),
            MessageBody=event.body,
            MessageAttributes=attributes,
        )


@pytest.mark.usefixtures("customers")
def test_nothing_fires_while_all_is_well(watching):
    eventually(lambda: watching.firing() == set(), 60)


def test_a_poison_message_fires_until_it_is_redriven(system, watching, place):
    assert place(simulateTechnicalFailure=SERVICE)
    fires(watching, ("dead-letters", SERVICE))
    system.processes.replace(SERVICE, {"ALLOW_SIMULATION": "false"})  # the fix
    watching.find_processes()

    (letter,) = look(system.clients.control(), dlq_url(system))
    outputs = run_page("dead-letters", letter.id)

    assert "simulated" in outputs["workers dlq show payment 4f6c"]
    if not any("redrive" in text and "--canary" in text for text in outputs):
        run(["dlq", "redrive", SERVICE, "--yes"])  # this tree has no canaries yet
    ends(watching, ("dead-letters", SERVICE))


def test_a_killed_fleet_fires_until_it_runs_again(system, watching):
    (child,) = children(system)
    system.processes.scale(SERVICE, 0)
    watching.find_processes()
    send(system, 3)
    fires(watching, ("missing-tasks", SERVICE), ("stuck", SERVICE))
    run_page("stuck")
    run_page("missing-tasks")

    system.processes.start(SERVICE, child.environment)
    system.processes.wait_until_ready()
    watching.find_processes()

    ends(watching, ("missing-tasks", SERVICE), ("stuck", SERVICE))


def test_a_frozen_process_fires_until_it_runs_again(system, watching):
    (child,) = children(system)
    os.kill(child.pid, signal.SIGSTOP)
    try:
        fires(watching, ("frozen", SERVICE))
        run_page("frozen")
    finally:
        os.kill(child.pid, signal.SIGCONT)

    ends(watching, ("frozen", SERVICE))


def test_a_slow_dependency_fires_until_the_backlog_is_gone(system, watching):
    system.aws.inject([slow(system)])
    try:
        send(system, 150)
        fires(watching, ("late", SERVICE))
        run_page("late")
    finally:
        system.aws.heal()

    ends(watching, ("late", SERVICE))


def slow(system):
    table = system.settings.name_prefix + system.topology.services[SERVICE].table
    return Rule(operation="dynamodb.TransactWriteItems", mode="delay", seconds=2, match=table)


def test_another_reader_that_holds_many_messages_fires_until_it_returns_them(system, watching):
    (child,) = children(system)
    os.kill(child.pid, signal.SIGSTOP)
    sqs, url, held = system.clients.control(), queue_url(system), []
    try:
        send(system, 12)
        while len(held) < 10:
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600, WaitTimeSeconds=1
            )
            held += [message["ReceiptHandle"] for message in answer.get("Messages", [])]
        fires(watching, ("in-flight", SERVICE))
        run_page("in-flight")
    finally:
        os.kill(child.pid, signal.SIGCONT)
    for handle in held:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)

    ends(watching, ("in-flight", SERVICE))


@pytest.mark.usefixtures("customers")
def test_an_outage_of_dynamodb_fires_until_it_is_over(system, watching):
    affected = (
        ("breaker-open", SERVICE),
        *((name, "order-api") for name in ("api-errors", "order-burn-fast", "order-burn-slow")),
    )
    system.aws.inject([Rule(operation="dynamodb.*", mode="error")])
    try:
        send(system, 20)
        fires(watching, *affected)
    finally:
        system.aws.heal()
    run_page("breaker-open")
    run_page("api-errors")

    ends(watching, *affected)


def test_an_outage_of_sns_fires_until_the_outbox_is_published(system, watching, place):
    system.aws.inject([Rule(operation="sns.*", mode="error")])
    try:
        assert place()
        fires(watching, ("outbox-old", "relay"))
        run_page("outbox-old")
    finally:
        system.aws.heal()

    ends(watching, ("outbox-old", "relay"))


def test_an_event_that_is_set_aside_fires_until_it_is_retried(system, watching):
    dynamodb, table = system.clients.dynamodb(), system.settings.name_prefix + "orders"
    event = encoded(an_order(order_id="aside-1"), event_id="aside-1", occurred_at=datetime.now(UTC))
    row = {
        "pk": {"S": "outbox#aside-1"},
        "outboxShard": {"S": "0"},
        "outboxOrder": {"S": "2025-01-01T00:00:00.000000+00:00#aside-1"},
        "body": {"S": "not an envelope"},
    }
    dynamodb.put_item(TableName=table, Item=row)
    fires(watching, ("outbox-set-aside", "relay"))
    dynamodb.update_item(  # the fix
        TableName=table,
        Key={"pk": row["pk"]},
        UpdateExpression="SET body = :body",
        ExpressionAttributeValues={":body": {"S": event.body}},
    )

    outputs = run_page("outbox-set-aside", "aside-1")

    assert "aside-1" in outputs["workers outbox list"]
    ends(watching, ("outbox-set-aside", "relay"))


def test_a_paused_service_is_neither_late_nor_stuck(system, watching):
    run(["pause", SERVICE, "--for", "10m", "--reason", "test", "--yes"])
    time.sleep(SEEN)
    send(system, 3)
    quiet_until = time.monotonic() + 2 * STUCK

    while time.monotonic() < quiet_until:
        assert not {("stuck", SERVICE), ("late", SERVICE)} & watching.firing()
        time.sleep(0.5)

    run(["resume", SERVICE, "--yes"])


def test_every_alert_has_fired():
    """Run after the others."""
    assert {name for name, alarm in alerts.load().items() if alarm.prometheus} == FIRED


def test_at_the_end_nothing_fires_and_every_queue_is_empty(system, watching):
    queues = Queues(system.clients, system.settings, system.topology)

    eventually(lambda: all(q.visible + q.in_flight + q.dead == 0 for q in queues.states()), 120)
    eventually(lambda: watching.firing() == set(), 120)
