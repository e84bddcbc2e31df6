"""The shop as tutorials write it: a loop per service, get before put, one publish, one delete.

``run.py SERVICE`` runs one of the six programs. They use boto3's resources, subscribe with raw
delivery, and remember the events that they have handled; a crash in between still repeats effects.
"""

import json
import os
import sys
import uuid
from datetime import UTC, datetime
from decimal import Decimal

import boto3

SERVICE = sys.argv[1]
TABLE = os.environ.get("TABLE_NAME") or ("orders" if SERVICE == "order-api" else SERVICE)
sqs, sns, ses = (boto3.client(name) for name in ("sqs", "sns", "ses"))
table = boto3.resource("dynamodb").Table(TABLE)


def topic_arn():
    """Return the ARN of the topic."""
    return os.environ.get("TOPIC_ARN") or sns.create_topic(Name="order-events")["TopicArn"]


TOPIC = topic_arn()


def publish(event_type, data):
    """Publish one event."""
    event = {
        "eventId": str(uuid.uuid4()),
        "eventType": event_type,
        "source": SERVICE,
        "occurredAt": datetime.now(UTC).isoformat(),
        "data": data,
    }
    sns.publish(
        TopicArn=TOPIC,
        Message=json.dumps(event, default=str),
        MessageAttributes={"eventType": {"DataType": "String", "StringValue": event_type}},
    )


def get(key):
    """Read an item."""
    return table.get_item(Key={"pk": key}, ConsistentRead=True).get("Item")


def charge(event):
    """Payment: record the payment and report it."""
    order = event["data"]
    payment = {"paymentId": str(uuid.uuid4()), "amount": order["totalAmount"]}
    table.put_item(Item={"pk": f"payment#{order['orderId']}", "state": "completed", **payment})
    publish("payment.completed", {"orderId": order["orderId"], **payment})


def reserve(event):
    """Inventory: take each line out of the stock and report it."""
    order = event["data"]
    for line in order["items"]:
        stock = get(f"stock#{line['sku']}")
        if not stock or stock["available"] < line["quantity"]:
            publish("inventory.failed", {"orderId": order["orderId"]})
            return
        stock["available"] -= line["quantity"]
        stock["reserved"] += line["quantity"]
        table.put_item(Item=stock)
    table.put_item(
        Item={"pk": f"reservation#{order['orderId']}", "state": "reserved", "items": order["items"]}
    )
    publish("inventory.reserved", {"orderId": order["orderId"], "items": order["items"]})


def follow(event):
    """Orders: note the report, and confirm the order once both are in."""
    order = get(f"order#{event['data']['orderId']}")
    order["payment" if event["eventType"] == "payment.completed" else "inventory"] = "done"
    if order["payment"] == order["inventory"] == "done":
        order["state"] = "confirmed"
    table.put_item(Item=order)
    if order["state"] == "confirmed":
        facts = ("orderId", "customerEmail", "totalAmount", "currency")
        publish("order.confirmed", {name: order[name] for name in facts})


def notify(event):
    """Notification: mail the customer, and record it."""
    order = event["data"]
    ses.send_email(
        Source="orders@example.com",
        Destination={"ToAddresses": [order["customerEmail"]]},
        Message={
            "Subject": {"Data": "Your order is confirmed"},
            "Body": {"Text": {"Data": f"Thank you for your order {order['orderId']}."}},
        },
    )
    sent = datetime.now(UTC).isoformat()
    table.put_item(Item={"pk": f"sent#confirmed-{order['orderId']}", "sentAt": sent})


def count(event):
    """Analytics: add one to the counter of the hour."""
    hour = f"hour#{datetime.now(UTC):%Y-%m-%dT%H}"
    counters = get(hour) or {"pk": hour}
    counters[event["eventType"]] = counters.get(event["eventType"], 0) + 1
    table.put_item(Item=counters)


HANDLERS = {
    "payment": {"order.created": charge},
    "inventory": {"order.created": reserve},
    "orders": {"payment.completed": follow, "inventory.reserved": follow},
    "notification": {"order.confirmed": notify},
}


def consume(queue_url):
    """Receive ten, handle in order, delete one by one."""
    handlers = HANDLERS.get(SERVICE, {})
    while True:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        for message in answer.get("Messages", []):
            event = json.loads(message["Body"], parse_float=Decimal)
            handler = count if SERVICE == "analytics" else handlers.get(event["eventType"])
            key = f"processed#{event['eventId']}"
            if handler and not get(key):
                handler(event)
                table.put_item(Item={"pk": key})
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])


def serve():
    """Order-api: store the order, publish it, and answer."""
    import uvicorn  # noqa: PLC0415 - only here
    from fastapi import FastAPI  # noqa: PLC0415
    from pydantic import BaseModel  # noqa: PLC0415

    class Line(BaseModel):
        sku: str
        quantity: int
        price: str

    class NewOrder(BaseModel):
        customerEmail: str  # noqa: N815 - as in the body
        currency: str
        items: list[Line]

    app = FastAPI()

    @app.post("/orders", status_code=202)
    def place(new: NewOrder):
        order = new.model_dump() | {"orderId": str(uuid.uuid4())}
        order["totalAmount"] = str(sum(Decimal(each.price) * each.quantity for each in new.items))
        status = {"state": "pending", "payment": "pending", "inventory": "pending"}
        table.put_item(Item={"pk": f"order#{order['orderId']}", **order, **status})
        publish("order.created", order)
        return {"orderId": order["orderId"], "status": "pending"}

    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")


if SERVICE == "order-api":
    serve()
else:
    consume(
        os.environ.get("QUEUE_URL") or sqs.get_queue_url(QueueName=f"{SERVICE}-queue")["QueueUrl"]
    )
