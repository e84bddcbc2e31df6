"""Workers as processes that sign events, and believe nobody who does not."""

import json
import signal
import sys

import pytest
from support.builders import THIS_RUN, an_envelope, an_order
from support.eventually import eventually
from typer.testing import CliRunner

from workers import cli
from workers.signing import Signing

pytestmark = pytest.mark.process

PATIENCE = 60  # s
PAYMENT = (sys.executable, "-m", "workers", "run", "payment")
KEYS = {"old": "o" * 32, "new": "n" * 32}
NEW, OLD = Signing(KEYS, "new"), Signing(KEYS, "old")


def settings(**keys):
    return {"SIGNING": "require", "SIGNING_KEY_ID": "new", "SIGNING_KEYS": json.dumps(keys)}


def send(world, order_id, change):
    order = an_order(order_id=order_id)
    event = an_envelope(order, event_id=f"event-{order_id}", occurred_at=THIS_RUN)
    world.sqs.send_message(QueueUrl=world.queue_url, MessageBody=change(event.encode()))


def inbox(world, order_id):
    found = world.dynamodb.get_item(
        TableName=f"{world.prefix}payment",
        Key={"pk": {"S": f"inbox#order-api#event-{order_id}"}},
        ConsistentRead=True,
    )
    return found.get("Item")


def test_a_redrive_of_what_a_key_was_missing_for_keeps_the_signature(world, start, monkeypatch):
    worker = start(PAYMENT, world.environment | settings(new=KEYS["new"]))
    send(world, "order-1", NEW.sign)
    send(world, "order-2", OLD.sign)
    send(world, "order-3", str)
    send(world, "order-4", lambda body: NEW.sign(body).replace("24.60", "00.01"))
    eventually(lambda: inbox(world, "order-1") and world.dead == 3, PATIENCE)

    reasons = {letter.order_id: letter.type for letter in world.dead_letters()}
    assert reasons == {
        "order-2": "unknown_key",
        "order-3": "unsigned",
        "order-4": "wrong_signature",
    }
    (outcome,) = inbox(world, "order-1")["outcomes"]["L"]
    NEW.verify(outcome["S"])
    (started,) = worker.lines("worker.starting")
    assert started["settings"]["signing_keys"] == "***"
    worker.signal(signal.SIGTERM)
    worker.ends()

    start(PAYMENT, world.environment | settings(**KEYS))
    monkeypatch.setenv("NAME_PREFIX", world.prefix)
    which = ("--where", "failure.type == 'unknown_key'")
    result = CliRunner().invoke(cli.build(), ["dlq", "redrive", "payment", *which, "--yes"])
    assert result.exit_code == 0, result.output
    eventually(lambda: inbox(world, "order-2"), PATIENCE)
    assert world.dead == 2
