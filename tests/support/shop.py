"""Every service on one set of tables, without processes: a test delivers the events."""

from time import time
from uuid import uuid4

from support.builders import NOON, a_line, a_message
from support.fakes import FakeAllowance, FakeMailer
from workers.api.call import SOURCE
from workers.api.commands import Command, carry_out
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.simulated_gateway import SimulatedGateway
from workers.envelope import first
from workers.events import decode
from workers.glimpse import Glimpse
from workers.ops.stock import set_stock
from workers.runtime.handler import Handlers
from workers.runtime.inbox import Inbox
from workers.runtime.leases import Lease
from workers.runtime.ports import FailedAttempt
from workers.services.analytics import Analytics
from workers.services.inventory import Inventory
from workers.services.notification import Notification
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payment
from workers.times import iso
from workers.topology import Topology


class Shop:
    """order-api's commands and the five services. ``waiting`` has (service, event)."""

    def __init__(self, settings):
        self.prefix = settings.name_prefix
        self.dynamodb = Clients.connect(settings, threads=1).dynamodb()
        self.topology = Topology.load()
        self.commands = OrderCommands(now=self._now)
        self.orders = self._store("orders", outbox=True)
        self.outbox = Outbox(self.dynamodb, self.table("orders"))
        self.mailer = FakeMailer()
        gateway = SimulatedGateway(self.dynamodb, self.table("payment"))
        services = {
            "orders": Orders(now=self._now),
            "payment": Payment(gateway, allow_simulation=True),
            "inventory": Inventory(allow_simulation=True),
            "notification": Notification(
                self.mailer, FakeAllowance(), "operations@example.com", self._now
            ),
            "analytics": Analytics(now=self._now),
        }
        self.inboxes = {
            name: Inbox(
                name,
                store=self._store(name, outbox=False),
                handlers=Handlers(service),
                worker=f"{name}-1",
                version="0123456789ab",
            )
            for name, service in services.items()
        }
        self.waiting = []
        set_stock(self.dynamodb, self.table("inventory"), "tea", available=100, reorder_threshold=0)

    def table(self, service):
        return self.prefix + service

    def place(
        self, email="ada@example.com", *, quantity=2, simulation=None, customer_id=None, **caller
    ):
        """Place an order; return its id."""
        order_id = str(uuid4())
        self._carry(
            lambda tx, event_id: self.commands.place(
                order_id,
                email,
                [a_line(quantity=quantity)],
                "EUR",
                tx,
                correlation_id=event_id,
                customer_id=customer_id,
                simulation=simulation,
                **caller,
            ),
            "",
        )
        return order_id

    def ask(self, action, order_id, argument=None, *, by=""):
        """Cancel, refund or ship an order."""
        act = getattr(self.commands, action)
        self._carry(
            lambda tx, event_id: act(order_id, argument, tx, event_id=event_id, by=by),
            self.order(order_id)["correlationId"]["S"],
        )

    def confirmed(self, **options):
        order_id = self.place(**options)
        self.deliver()
        assert self.order(order_id)["state"]["S"] == "confirmed"
        return order_id

    def deliver(self, *, but=()):
        """Deliver events until none waits, but leave those for the services in ``but``."""
        left = []
        while self.waiting:
            service, event = self.waiting.pop(0)
            if service in but:
                left.append((service, event))
                continue
            envelope = decode(event.body)
            message = a_message(event.body, id=f"m-{event.event_id}", sent_at=time())
            record = self.inboxes[service].handle(
                envelope, Lease(message, message.receipt_handle, 0.0, 1e9)
            )
            for outcome in record.outcomes:
                self._publish(outcome)
        self.waiting = left

    def fail(self, service, event, outcome, *, receive_count=1, reason="the gateway is closed"):
        """Leave the record of a failed attempt, like a worker."""
        envelope = decode(event.body)
        self._store(service, outbox=False).record_failure(
            envelope.key,
            Glimpse.of(envelope),
            FailedAttempt(
                message_id=f"m-{event.event_id}",
                receive_count=receive_count,
                at=iso(time()),
                type="transient",
                reason=reason,
                outcome=outcome,
                attempt=receive_count,
            ),
        )

    def order(self, order_id):
        return self.row("orders", f"order#{order_id}")

    def row(self, service, key):
        """Read a row as DynamoDB returns it; None if absent."""
        return self.dynamodb.get_item(TableName=self.table(service), Key={"pk": {"S": key}}).get(
            "Item"
        )

    def keys(self, service, prefix):
        """List the keys of the rows that start so."""
        rows = self.dynamodb.scan(TableName=self.table(service), ConsistentRead=True)["Items"]
        return [row["pk"]["S"] for row in rows if row["pk"]["S"].startswith(prefix)]

    def change(self, service, key, **texts):
        """Set text attributes of a row, behind the back of the services."""
        names = {f"#{name}": name for name in texts}
        self.dynamodb.update_item(
            TableName=self.table(service),
            Key={"pk": {"S": key}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in texts),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={f":{name}": {"S": text} for name, text in texts.items()},
        )

    def remove(self, service, key):
        self.dynamodb.delete_item(TableName=self.table(service), Key={"pk": {"S": key}})

    def _carry(self, act, correlation_id):
        def acts(tx, event_id):
            envelope = first(act(tx, event_id), source=SOURCE, event_id=event_id)
            changes = {"correlation_id": correlation_id} if correlation_id else {}
            return envelope.model_copy(update=changes)

        done = carry_out(Command(acts, "fingerprint"), self.orders)
        self._publish(done.event)
        self.outbox.mark_published_direct([done.event.event_id])

    def _publish(self, event):
        for name, service in self.topology.consumers.items():
            if event.attributes["eventType"] in service.consumes:
                self.waiting.append((name, event))

    def _store(self, service, *, outbox):
        return DynamoStore(self.dynamodb, self.table(service), outbox=outbox)

    def _now(self):
        return NOON.now(NOON.tzinfo)
