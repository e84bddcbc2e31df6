"""The smallest FastAPI program that does the same as order-api with one call each, on boto3.

A transaction with three writes, a publish and an update; order-api's events share requests to SNS.
It checks only types, and logs nothing.
"""

import json
import os
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import boto3
import uvicorn
from botocore.config import Config
from fastapi import BackgroundTasks, FastAPI, Header
from pydantic import BaseModel

THREADS = Config(max_pool_connections=50)
dynamodb, sns = boto3.client("dynamodb", config=THREADS), boto3.client("sns", config=THREADS)
TABLE, TOPIC = "orders", sns.create_topic(Name="order-events")["TopicArn"]
app = FastAPI()


class Line(BaseModel):
    """One line of an order."""

    sku: str
    quantity: int
    price: Decimal


class NewOrder(BaseModel):
    """The body of a request."""

    customerEmail: str  # noqa: N815 - as in the body
    currency: str
    items: list[Line]


@app.post("/orders", status_code=202)
def place(
    new: NewOrder, background: BackgroundTasks, idempotency_key: Annotated[str, Header()] = ""
):
    """Store the order with its idempotency record and its event, and publish the event."""
    order_id, event_id = str(uuid.uuid4()), str(uuid.uuid4())
    order = new.model_dump(mode="json") | {"orderId": order_id}
    order["totalAmount"] = str(sum(each.price * each.quantity for each in new.items))
    now = datetime.now(UTC).isoformat()
    event = {"eventId": event_id, "eventType": "order.created", "occurredAt": now, "data": order}
    body = json.dumps(event)
    rows = (
        {"pk": {"S": f"inbox#{idempotency_key or event_id}"}, "outcomes": {"L": [{"S": body}]}},
        {"pk": {"S": f"order#{order_id}"}, "body": {"S": json.dumps(order)}, "at": {"S": now}},
        {
            "pk": {"S": f"outbox#{event_id}"},
            "body": {"S": body},
            "outboxShard": {"S": "0"},
            "outboxOrder": {"S": f"{now}#{event_id}"},
        },
    )
    dynamodb.transact_write_items(
        TransactItems=[
            {
                "Put": {
                    "TableName": TABLE,
                    "Item": row,
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            }
            for row in rows
        ]
    )
    background.add_task(publish, event_id, body)
    return {"orderId": order_id, "eventId": event_id, "status": "pending"}


def publish(event_id: str, body: str):
    """Publish the event and take it out of the outbox."""
    attribute = {"DataType": "String", "StringValue": "order.created"}
    sns.publish(TopicArn=TOPIC, Message=body, MessageAttributes={"eventType": attribute})
    dynamodb.update_item(
        TableName=TABLE,
        Key={"pk": {"S": f"outbox#{event_id}"}},
        UpdateExpression="REMOVE outboxShard, outboxOrder",
    )


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
