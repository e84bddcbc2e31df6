"""Writes rows with every service, under fixed ids and times.

    AWS_ENDPOINT_URL=... python tests/support/rows.py DIRECTORY

writes them to one file per table in DynamoDB's JSON: the golden rows of a version.
"""

import json
import sys
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

from support.builders import (
    NOON,
    a_cancellation,
    a_confirmation,
    a_line,
    a_message,
    a_payment,
    a_refund_request,
    a_reservation,
    a_shipment,
    an_envelope,
    an_order,
    low_stock,
)
from support.fakes import FakeMailer
from workers.addresses import ERASED
from workers.api.call import SOURCE
from workers.api.commands import Command, carry_out
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.mail_allowance import MailAllowance
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.payment_ledger import CANCELLED, PaymentLedger
from workers.aws.prices import change
from workers.aws.simulated_gateway import SimulatedGateway
from workers.envelope import first
from workers.events import Simulation
from workers.glimpse import Glimpse
from workers.ops.stock import set_stock
from workers.provision.provision import provision
from workers.runtime.handler import Handlers
from workers.runtime.inbox import Inbox
from workers.runtime.leases import Lease
from workers.runtime.ports import FailedAttempt
from workers.services.analytics import Analytics
from workers.services.buckets import arrange
from workers.services.inventory import Inventory
from workers.services.notification import Notification
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payment
from workers.services.prices import Price
from workers.settings import Settings
from workers.topology import Topology

TABLES = ("orders", "payment", "inventory", "notification", "analytics")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Noon(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, _tz=None):
        return NOON


class Rows:
    """Runs services on events, and reads the rows that they write."""

    def __init__(self, dynamodb, prefix):
        self._dynamodb = dynamodb
        self._prefix = prefix

    def written(self):
        """Return the rows of each table, sorted by key."""
        with patch("workers.envelope.datetime", Noon):
            self._orders()
            self._payment()
            self._inventory()
            self._notification()
            self._analytics()
        return {table: self._scan(table) for table in TABLES}

    def _orders(self):
        commands, store = OrderCommands(now=lambda: NOON), self._store("orders", outbox=True)

        def carry(act, event_id):
            def acts(tx, given_id):
                return first(act(tx, given_id), source=SOURCE, event_id=given_id, traceparent=TRACE)

            carry_out(Command(acts, f"fingerprint-{event_id}", f"key-{event_id}", event_id), store)

        def place(order_id, event_id, **payer):
            lines = (a_line(), a_line("CUP", 1, "7"))
            money = (order_id, "ada@example.com", lines, "EUR")
            carry(
                lambda tx, _id: commands.place(*money, tx, correlation_id=event_id, **payer),
                event_id,
            )

        payer = {"customer_id": "customer-1", "payment_method": "pm_card_visa"}
        place("order-1", "event-1", **payer, owner="customer-1", by="shop")
        place("order-2", "event-2")
        carry(
            lambda tx, event_id: commands.cancel(
                "order-2", "changed my mind", tx, event_id=event_id, by="back-office"
            ),
            "event-3",
        )
        inbox = self._inbox("orders", Orders(now=lambda: NOON))
        self._handle(inbox, a_payment(amount=Decimal("31.60")), a_reservation())
        self._handle(inbox, a_reservation(order_id="order-early"))

        outbox = Outbox(self._dynamodb, f"{self._prefix}orders", clock=NOON.timestamp)
        outbox.mark_published_direct(["event-2"])
        self._set_aside(outbox, "event-3")
        change(self._dynamodb, outbox.table, "tea", Price(Decimal("12.30"), "EUR"))

    def _payment(self):
        gateway = SimulatedGateway(self._dynamodb, f"{self._prefix}payment")
        inbox = self._inbox("payment", Payment(gateway, allow_simulation=True))
        declined = Simulation(payment_outcome="declined")
        self._handle(inbox, an_order(), an_order(order_id="order-2", simulation=declined))
        self._handle(inbox, a_cancellation(order_id="order-3"))
        self._handle(inbox, an_order(order_id="order-4"), a_refund_request(order_id="order-4"))
        failing = an_envelope(an_order(order_id="order-9"), event_id="event-9", traceparent=TRACE)
        self._fail(self._store("payment"), failing)
        ledger = PaymentLedger(self._dynamodb, f"{self._prefix}payment")
        ledger.open("charge-order-5", "order-5", Decimal("24.60"), "EUR")
        ledger.claim("charge-order-5", "pi_1")
        ledger.count_server_error("charge-order-5")
        ledger.claim("charge-order-6", CANCELLED)

    def _inventory(self):
        for sku, available in (("tea", 5), ("mug", 9)):
            set_stock(
                self._dynamodb,
                f"{self._prefix}inventory",
                sku,
                available=available,
                reorder_threshold=3,
            )
        arranging = self._store("inventory").begin("operator#stock-1")
        arrange("mug", arranging, buckets=2)
        self._store("inventory").commit(arranging, ())
        inbox = self._inbox("inventory", Inventory(choose=lambda n: n - 1))
        many = an_order(order_id="order-2", items=(a_line(quantity=9),))
        self._handle(inbox, an_order(), many, a_cancellation(order_id="order-3"))
        self._handle(inbox, an_order(order_id="order-4"), a_cancellation(order_id="order-4"))
        one = (a_line("mug", quantity=1),)
        self._handle(inbox, an_order(order_id="order-5", items=one), a_shipment(order_id="order-5"))
        some = (a_line("mug", quantity=4),)
        self._handle(inbox, an_order(order_id="order-6", items=some))

    def _notification(self):
        table = f"{self._prefix}notification"
        allowance = MailAllowance(self._dynamodb, table, NOON.timestamp)
        service = Notification(FakeMailer(), allowance, "operations@example.com", lambda: NOON)
        erased = a_cancellation(order_id="order-2", customer_email=ERASED)
        inbox = self._inbox("notification", service)
        self._handle(inbox, an_order(), low_stock(), a_confirmation(), erased)

    def _analytics(self):
        service = Analytics(now=lambda: NOON, choose=lambda _shards: 3)
        self._handle(self._inbox("analytics", service), an_order(), a_payment())

    def _handle(self, inbox, *events):
        for event in events:
            envelope = an_envelope(
                event,
                event_id=f"{event.type}-{event.order_id}",
                correlation_id=f"story-{event.order_id}",
                traceparent=TRACE,
            )
            message = a_message(envelope)
            inbox.handle(envelope, Lease(message, message.receipt_handle, 0.0, 1e9))

    def _inbox(self, table, service):
        return Inbox(
            table,
            store=self._store(table),
            handlers=Handlers(service),
            worker="worker-1",
            version="0123456789ab",
            clock=NOON.timestamp,
        )

    def _fail(self, store, envelope):
        """Record a failed attempt whose worker told why, and one that another worker found."""
        about = Glimpse.of(envelope)
        failed = FailedAttempt(
            message_id="message-9",
            receive_count=2,
            at=NOON.isoformat(timespec="milliseconds"),
            type="ValueError",
            reason="a bug",
            outcome="retried",
            attempt=1,
            stack="0123456789ab",
            frame="workers.services.payment:Payment.charge",
            worker="worker-1",
            version="0123456789ab",
        )
        store.record_failure(envelope.key, about, failed)
        ended = replace(failed, receive_count=1, type="worker_ended", stack="", frame="")
        store.record_failure(envelope.key, about, ended, found=True)

    def _store(self, table, **options):
        options["clock"] = NOON.timestamp
        return DynamoStore(self._dynamodb, f"{self._prefix}{table}", **options)

    def _set_aside(self, outbox, event_id):
        leases = OutboxLeases(self._dynamodb, outbox.table, clock=NOON.timestamp)
        leases.beat("relay-0")
        for shard in range(outbox.SHARDS):
            lease = leases.take(shard, f"relay-{shard}", None)
            if any(row.event_id == event_id for row in outbox.waiting(shard, 100)):
                outbox.set_aside(lease, event_id, "sns: InvalidParameter: too large")

    def _scan(self, table):
        items = self._dynamodb.scan(TableName=f"{self._prefix}{table}", ConsistentRead=True)
        return sorted(items["Items"], key=lambda item: item["pk"]["S"])


def main(directory):
    settings = Settings(name_prefix=f"rows-{uuid4().hex[:8]}-")
    provision(settings, Topology.load())
    directory.mkdir(parents=True, exist_ok=True)
    written = Rows(Clients.connect(settings, threads=1).dynamodb(), settings.name_prefix).written()
    for table, items in written.items():
        text = json.dumps(items, indent=1, sort_keys=True, ensure_ascii=False)
        (directory / f"{table}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
