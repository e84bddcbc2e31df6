"""Scenarios for the applied configuration: the demo, and calls that the demo does not need."""

import json
from pathlib import Path
from uuid import uuid4

import httpx
from support.eventually import eventually

from local.demo import tables
from local.demo.run import Demo
from local.rehearsal.deployed import handled_by
from workers.aws import names
from workers.aws.ecs import EcsAgent
from workers.ops.dlq import look

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
PATIENCE = 60.0  # s
PROTECTED = 1  # minutes


def play(deployed, *, orders, show=lambda _: None):
    """Run every scenario; return the demo's result, and the messages of each task of payment.

    Only the tasks from before the demo count, because the demo replaces payment.
    """
    payments = deployed.processes.of("payment")
    result = Demo(deployed, orders=orders, seed=1, show=show).run()
    handled = {task.child.name: handled_by(task) for task in payments}
    confirmed = [o for o, planned in result.planned.items() if planned.ends == "confirmed"]
    _ship_and_refund(deployed, *confirmed[:2])
    _leave_to_the_relay(deployed, confirmed[0])
    _protect_every_consumer(deployed)
    _fail_in_every_consumer(deployed)
    return result, handled


def _ship_and_refund(deployed, shipped, refunded):
    """Call the other routes of order-api, and wait until payment has refunded two orders.

    One is refunded after it has shipped, the other before, which cancels it.
    """
    with httpx.Client(base_url=deployed.api_url, headers=deployed.headers, timeout=PATIENCE) as api:
        assert api.get(f"/orders/{shipped}").json()["state"] == "confirmed"
        api.post(f"/orders/{shipped}/ship").raise_for_status()
        for order_id, status in ((shipped, "refunded"), (refunded, "cancelled")):
            answer = api.post(f"/orders/{order_id}/refund").raise_for_status()
            assert answer.json()["status"] == status
    eventually(lambda: {shipped, refunded} <= _refunds(deployed), PATIENCE)


def _refunds(deployed):
    ledger = tables.read(deployed.clients.dynamodb(), deployed.settings).ledger
    return {entry.order_id for entry in ledger if entry.kind == "refund"}


def _leave_to_the_relay(deployed, order_id):
    """Put a published event back into the outbox, as if a crash had prevented its publication."""
    dynamodb, settings = deployed.clients.dynamodb(), deployed.settings
    event_id = tables.read_orders(dynamodb, settings)[order_id]["correlationId"]
    dynamodb.update_item(
        TableName=settings.name_prefix + "orders",
        Key={"pk": {"S": f"outbox#{event_id}"}},
        UpdateExpression="SET outboxShard = :shard, outboxOrder = :order REMOVE expires",
        ExpressionAttributeValues={
            ":shard": {"S": "0"},
            ":order": {"S": f"2020-01-01T00:00:00.000000+00:00#{event_id}"},
        },
    )
    eventually(lambda: tables.count_unpublished(dynamodb, settings) == 0, PATIENCE)


def _protect_every_consumer(deployed):
    """Request protection from the agent, like a worker with a long handler."""
    for service in deployed.topology.consumers:
        for task in deployed.processes.of(service):
            agent = EcsAgent(task.child.environment["ECS_AGENT_URI"])
            agent.protect(enabled=True, minutes=PROTECTED)
            agent.protect(enabled=False, minutes=PROTECTED)


def _fail_in_every_consumer(deployed):
    """Send each service a message that always fails, because its inbox row is unreadable."""
    sqs, settings = deployed.clients.control(), deployed.settings
    event_ids = {}
    for service, wanted in deployed.topology.consumers.items():
        event = json.loads((GOLDEN / f"{min(wanted.consumes)}.json").read_text("utf-8"))
        event["eventId"] = event_ids[service] = str(uuid4())
        deployed.clients.dynamodb().put_item(
            TableName=settings.name_prefix + wanted.table,
            Item={"pk": {"S": f"inbox#{event['source']}#{event['eventId']}"}},
        )
        url = names.queue_url(sqs, settings, service)
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    for service, event_id in event_ids.items():
        url = names.dlq_url(sqs, settings, service)
        eventually(lambda url=url, event_id=event_id: _given_up(sqs, url, event_id), PATIENCE)


def _given_up(sqs, url, event_id):
    return any(event_id in dead.body for dead in look(sqs, url))
