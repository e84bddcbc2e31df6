"""A worker that charges through Stripe, and workers whose gateway is not set up."""

import sys

import pytest
from support.builders import THIS_RUN, an_envelope, an_order
from support.eventually import eventually
from support.stripe import SECRET, VISA, lost_answer, serving_stripe

pytestmark = pytest.mark.process

PATIENCE = 60  # s
WRONG_SETTING = 2
PAYMENT = (sys.executable, "-m", "workers", "run", "payment")


@pytest.fixture
def stripe():
    with serving_stripe() as server:
        yield server


def stored_payment(world, order_id):
    found = world.dynamodb.get_item(
        TableName=f"{world.prefix}payment",
        Key={"pk": {"S": f"payment#{order_id}"}},
        ConsistentRead=True,
    )
    return {name: value.get("S") for name, value in found.get("Item", {}).items()}


def place(world, order_id, **payer):
    order = an_order(order_id=order_id, **payer)
    body = an_envelope(order, event_id=f"event-{order_id}", occurred_at=THIS_RUN).encode()
    world.sqs.send_message(QueueUrl=world.queue_url, MessageBody=body)


def test_orders_are_charged_once_and_no_log_has_the_key_or_a_token(world, start, stripe):
    stripe.fail_next(r"POST .*/confirm", lost_answer)
    worker = start(
        PAYMENT,
        world.environment
        | {"PAYMENT_GATEWAY": "stripe", "STRIPE_API_KEY": SECRET, "STRIPE_API_URL": stripe.url},
    )
    place(world, "order-1", customer_id="cus_1", payment_method=VISA)
    place(world, "order-2", payment_method="pm_card_visa_chargeDeclined")
    place(world, "order-3", payment_method="pm_secret_and_unknown")
    eventually(
        lambda: all(stored_payment(world, f"order-{n}").get("state") for n in (1, 2, 3)), PATIENCE
    )

    paid = stored_payment(world, "order-1")
    assert (paid["state"], [paid["paymentId"]]) == ("completed", stripe.paid)
    assert stripe.intents[paid["paymentId"]]["customer"] == "cus_1"
    assert stored_payment(world, "order-2")["reason"] == "Your card was declined."
    assert stored_payment(world, "order-3")["state"] == "failed"
    (started,) = worker.lines("worker.starting")
    assert started["settings"]["stripe_api_key"] == "***"
    told = f"{worker.lines()}{worker.stderr}"
    assert not [word for word in (SECRET, VISA, "pm_") if word in told]


def refusal(worker):
    code = worker.ends()
    (line,) = worker.lines("worker.cannot_start")
    return code, line["reason"]


def test_stripe_without_a_key_is_a_wrong_setting(world, start):
    code, reason = refusal(start(PAYMENT, world.environment | {"PAYMENT_GATEWAY": "stripe"}))

    assert code == WRONG_SETTING
    assert reason == "STRIPE_API_KEY: must be set for PAYMENT_GATEWAY=stripe"


def test_on_aws_payment_does_not_start_without_a_gateway(world, start):
    """It stops before its first request to AWS."""
    environment = world.environment | {
        "DLQ_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/payment-queue-dlq",
        "QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/payment-queue",
        "TABLE_NAME": "payment",
        "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:order-events",
    }
    environment = {n: v for n, v in environment.items() if not n.startswith("AWS_ENDPOINT_URL")}

    code, reason = refusal(start(PAYMENT, environment))

    assert code == WRONG_SETTING
    assert reason.startswith("PAYMENT_GATEWAY: must be set on AWS: stripe, or simulated")
