"""Places the orders of a trial, and checks that each took effect exactly once."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

import httpx
from support.builders import THIS_RUN, a_line, an_order, encoded

from local.demo import tables
from trials.report import Check
from workers.aws import names
from workers.aws.sns import SnsTopic
from workers.ops.stock import set_stock

SKU = "TRIAL-001"
PRICE = Decimal("12.30")
SPARE = 1_000  # units beyond those ordered, so that stock never runs low
PLACE_TIMEOUT = 30  # s
EVENTS_OF_AN_ORDER = (
    "order.created",
    "payment.completed",
    "inventory.reserved",
    "order.confirmed",
)
MAILS_OF_AN_ORDER = 1  # confirmed


@dataclass(frozen=True)
class Shop:
    """Places orders for one unit each on a running system."""

    system: object

    def fill(self, units):
        """Set the stock for this many orders."""
        table = self.system.settings.name_prefix + "inventory"
        dynamodb = self.system.clients.dynamodb()
        set_stock(dynamodb, table, SKU, available=units + SPARE, reorder_threshold=1)

    def publish(self, number):
        """Publish order.created in place of order-api, which cannot accept orders."""
        order_id = str(uuid5(NAMESPACE_URL, f"trial/{number}"))
        event = an_order(
            order_id=order_id,
            items=(a_line(SKU, 1, str(PRICE)),),
            customer_email=f"customer-{number}@example.com",
        )
        event_id = f"event-{order_id}"
        envelope = encoded(event, event_id=event_id, correlation_id=event_id, occurred_at=THIS_RUN)
        sns = self.system.clients.sns()
        arn = names.topic_arn(sns, self.system.settings, self.system.topology.topic_name)
        if refused := SnsTopic(sns, arn).publish([envelope]):
            raise refused[0]
        return order_id

    def place(self, number):
        """Place an order through order-api; return its id and that of its event."""
        body = {
            "customerEmail": f"customer-{number}@example.com",
            "currency": "EUR",
            "items": [{"sku": SKU, "quantity": 1, "price": str(PRICE)}],
        }
        answer = httpx.post(
            f"{self.system.api_url}/orders",
            json=body,
            headers={"Idempotency-Key": f"trial-{number}"},
            timeout=PLACE_TIMEOUT,
        )
        answer.raise_for_status()
        return answer.json()["orderId"], answer.json()["correlationId"]

    def deliver(self, event_id):
        """Deliver a stored event to its queues, like an SNS that accepted it before the outage."""
        settings, topology = self.system.settings, self.system.topology
        body = tables.outbox_body(self.system.clients.dynamodb(), settings, event_id)
        sqs = self.system.clients.control()
        for service in topology.consumers:
            if "order.created" in topology.services[service].consumes:
                url = names.queue_url(sqs, settings, service)
                sqs.send_message(QueueUrl=url, MessageBody=body)


def check_effects(system, orders):
    """Check that every order took effect once, in every service."""
    found = tables.read(system.clients.dynamodb(), system.settings)
    return [*check_books(found, orders), _mailed(system, orders)]


def check_books(found, orders):
    """Check the stored rows of these orders; there must be no others."""
    checks = (_confirmed, _charged, _reserved, _counted)
    return [check(found, orders) for check in checks]


def _confirmed(found, orders):
    wrong = [
        f"{order} is {state}"
        for order in orders
        if (state := found.orders.get(order, {}).get("state", "unknown")) != "confirmed"
    ]
    wrong += [f"{order} was never placed" for order in found.orders.keys() - set(orders)]
    return Check("every order is confirmed", tuple(wrong))


def _charged(found, orders):
    charges = Counter(entry.order_id for entry in found.ledger if entry.kind == "charge")
    wrong = [f"{order}: {charges[order]} charges" for order in orders if charges[order] != 1]
    if found.revenue != PRICE * len(orders):
        wrong.append(f"the revenue is {found.revenue}, not {PRICE * len(orders)}")
    return Check("every order was charged once", tuple(wrong))


def _reserved(found, orders):
    stock = found.stock[SKU]
    expected = {"reserved": len(orders), "available": SPARE}
    wrong = [
        f"{name} is {stock[name]}, not {number}"
        for name, number in expected.items()
        if stock[name] != number
    ]
    return Check("every order has one reservation", tuple(wrong))


def _counted(found, orders):
    wrong = [
        f"{found.counters.get(event, 0)} times {event}, not {len(orders)}"
        for event in EVENTS_OF_AN_ORDER
        if found.counters.get(event, 0) != len(orders)
    ]
    return Check("analytics counted every event once", tuple(wrong))


def _mailed(system, orders):
    """Mails are sent at least once: SES does not deduplicate."""
    per_order = Counter(address for mail in system.aws.mails() for address in mail["to"])
    expected = [f"customer-{number}@example.com" for number in range(len(orders))]
    wrong = [
        f"{per_order[address]} mails to {address}"
        for address in expected
        if per_order[address] < MAILS_OF_AN_ORDER
    ]
    return Check("every customer got every mail", tuple(wrong))
