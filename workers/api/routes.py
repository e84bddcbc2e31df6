"""The endpoints: each reads a request, lets the desk act, and answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import uuid4

from fastapi import Depends, Path, Request

from workers.api.answers import Accepted, OrderView
from workers.api.bodies import (
    Cancellation,
    DemonstrationOrder,
    NewOrder,
    RefundRequest,
    Shipment,
)
from workers.api.call import SOURCE, Call
from workers.api.commands import Command, carry_out, fingerprint
from workers.api.fast_path import FastPath
from workers.envelope import Envelope
from workers.events import Event, Id
from workers.runtime.ports import Store, Transaction
from workers.services.orders import OrderCommands

# What a 202 says of the order, once the event is committed.
STATUS: Final = {
    "order.created": "pending",
    "order.cancelled": "cancelled",
    "order.refunded": "refunded",
    "order.shipped": "shipped",
}
OrderId = Annotated[Id, Path(alias="orderId")]


Caller = Annotated[Call, Depends()]


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of orders."""

    desk: OrderCommands
    store: Store
    fast_path: FastPath

    def place(self, body: NewOrder, call: Caller) -> Accepted:
        """Place an order. Payment and inventory decide on it afterwards; follow it with GET."""
        order_id = str(uuid4())

        def act(tx: Transaction, event_id: str) -> Envelope[Event]:
            event = self.desk.place(
                order_id,
                body.customer_email,
                body.lines(),
                body.currency,
                tx,
                correlation_id=event_id,
                simulation=body.simulation(),
            )
            return call.first(event, event_id)

        return self._accept(call, body.canonical(), act)

    def place_demonstration(self, body: DemonstrationOrder, call: Caller) -> Accepted:
        """Place an order, and say how the services are to pretend it goes."""
        return self.place(body, call)

    def cancel(self, order_id: OrderId, call: Caller, body: Cancellation | None = None) -> Accepted:
        """Give a pending or confirmed order up: money goes back, stock is released."""
        cancellation = body or Cancellation()
        return self._change(
            order_id,
            call,
            cancellation.canonical(),
            lambda tx: self.desk.cancel(order_id, cancellation.reason, tx),
        )

    def refund(
        self, order_id: OrderId, call: Caller, body: RefundRequest | None = None
    ) -> Accepted:
        """Ask for the money of a confirmed or shipped order to go back.

        An order that has not shipped is cancelled by it, as `status` says: its stock is released
        too. One that has shipped becomes refunded.
        """
        request = body or RefundRequest()
        return self._change(
            order_id,
            call,
            request.canonical(),
            lambda tx: self.desk.refund(order_id, request.reason, tx),
        )

    def ship(self, order_id: OrderId, call: Caller, body: Shipment | None = None) -> Accepted:
        """Hand the parcel of a confirmed order to the carrier."""
        shipment = body or Shipment()
        return self._change(
            order_id,
            call,
            shipment.canonical(),
            lambda tx: self.desk.ship(order_id, shipment.tracking_number, tx),
        )

    def read(self, order_id: OrderId, request: Request) -> OrderView:
        """Look at an order: its state, what payment and inventory said, and its history."""
        order = self.desk.find(order_id, self.store.begin(f"{SOURCE}#read"))
        _tell(request, order.order_id, order.correlation_id)
        return OrderView.model_validate(order.model_dump())

    def _change(
        self, order_id: str, call: Call, body: str, change: Callable[[Transaction], Event]
    ) -> Accepted:
        def act(tx: Transaction, event_id: str) -> Envelope[Event]:
            story = self.desk.find(order_id, tx).correlation_id or event_id
            envelope = call.first(change(tx), event_id)
            return envelope.model_copy(update={"correlation_id": story})

        return self._accept(call, body, act)

    def _accept(
        self, call: Call, body: str, act: Callable[[Transaction, str], Envelope[Event]]
    ) -> Accepted:
        path = call.request.url.path
        same = fingerprint(call.request.method, path, body)
        done = carry_out(Command(act, same, call.idempotency_key), self.store)
        envelope = done.envelope
        order_id = envelope.data.order_id
        _tell(call.request, order_id, envelope.correlation_id)
        call.response.headers["Location"] = f"/orders/{order_id}"
        if done.replayed:
            call.response.headers["Idempotent-Replayed"] = "true"
        else:
            call.background.add_task(self.fast_path.publish, done.event)
        return Accepted(
            order_id=order_id,
            event_id=envelope.event_id,
            status=STATUS[envelope.event_type],
            correlation_id=envelope.correlation_id,
        )


async def health() -> dict[str, str]:
    """Tell that the process answers. It asks nobody: an outage of AWS is no reason to restart."""
    return {"status": "ok"}


def _tell(request: Request, order_id: str, correlation_id: str | None) -> None:
    """Note the ids for the access log."""
    request.state.story = {"orderId": order_id, "correlationId": correlation_id}
