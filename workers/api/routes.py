"""The HTTP endpoints of orders."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final
from uuid import uuid4

from fastapi import Path, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from workers.api.authentication import insufficient
from workers.api.bodies import (
    Cancellation,
    DemonstrationOrder,
    NewOrder,
    RefundRequest,
    Shipment,
)
from workers.api.call import SOURCE, Call, Sent
from workers.api.callers import OPERATE, Caller
from workers.api.commands import Command, carry_out, fingerprint
from workers.api.fast_path import FastPath
from workers.api.rate import RateLimit
from workers.api.responses import Accepted, OrderView, answer
from workers.api.upstream import Upstream
from workers.envelope import Envelope, Event, Id, Sign
from workers.glimpse import Glimpse
from workers.runtime.ports import Store, Transaction
from workers.services.order import Order
from workers.services.orders import OrderCommands, UnknownOrder

# The order's state in a 202 response, by the event that was committed.
STATUS: Final = {
    "order.created": "pending",
    "order.cancelled": "cancelled",
    "order.refunded": "refunded",
    "order.shipped": "shipped",
}
OrderId = Annotated[Id, Path(alias="orderId")]


@dataclass(frozen=True)
class Endpoints:
    """Handles requests: runs the command, schedules publishing, builds the response.

    A request takes a thread once: FastAPI would take another to serialize what is returned.
    FastAPI shows the methods' docstrings in the API documentation.
    """

    commands: OrderCommands
    store: Store
    fast_path: FastPath
    upstream: Upstream
    sign: Sign | None = None
    rate: RateLimit | None = None

    def place(self, body: NewOrder, call: Sent) -> Response:
        """Place an order.

        Payment and inventory process it afterwards. Poll the order's URL to follow it.

        If the shop has a price list, an order at another price gets 422 with the problem type
        `price-changed`, and `prices` has the current price of each item that differs.

        Only a caller with the scope `orders:operate` may name an `owner`; others get 403.
        """
        if body.owner is not None and not call.caller.operates:
            raise insufficient(OPERATE)
        order_id = str(uuid4())

        def act(tx: Transaction, event_id: str) -> Envelope[Event]:
            event = self.commands.place(
                order_id,
                body.customer_email,
                body.lines(),
                body.currency,
                tx,
                correlation_id=event_id,
                customer_id=body.customer_id,
                payment_method=body.payment_method,
                simulation=body.simulation(),
                owner=call.caller.owner_of(body.customer_id, body.owner),
                by=call.caller.subject,
            )
            return call.first(event, event_id)

        return self._accept(call, body.canonical(), act)

    def place_demonstration(self, body: DemonstrationOrder, call: Sent) -> Response:
        """Place an order, optionally with outcomes that the services simulate."""
        return self.place(body, call)

    def cancel(self, order_id: OrderId, call: Sent, body: Cancellation | None = None) -> Response:
        """Cancel a pending or confirmed order: payment is refunded and stock is released."""
        cancellation = body or Cancellation()
        return self._change(
            order_id,
            call,
            cancellation.canonical(),
            lambda tx, event_id: self.commands.cancel(
                order_id, cancellation.reason, tx, event_id=event_id, by=call.caller.subject
            ),
        )

    def refund(self, order_id: OrderId, call: Sent, body: RefundRequest | None = None) -> Response:
        """Refund a confirmed or shipped order.

        An order that has not shipped is cancelled, and its stock is released; `status` is then
        `cancelled`. A shipped order becomes `refunded`.
        """
        request = body or RefundRequest()
        return self._change(
            order_id,
            call,
            request.canonical(),
            lambda tx, event_id: self.commands.refund(
                order_id, request.reason, tx, event_id=event_id, by=call.caller.subject
            ),
        )

    def ship(self, order_id: OrderId, call: Sent, body: Shipment | None = None) -> Response:
        """Mark a confirmed order as shipped."""
        shipment = body or Shipment()
        return self._change(
            order_id,
            call,
            shipment.canonical(),
            lambda tx, event_id: self.commands.ship(
                order_id, shipment.tracking_number, tx, event_id=event_id, by=call.caller.subject
            ),
        )

    def read(self, order_id: OrderId, request: Request) -> Response:
        """Return an order: its state, the status of payment and inventory, reasons and history."""
        with self._admitted(request):
            order = self._find(order_id, self.store.begin(f"{SOURCE}#read"), request.state.caller)
        ids = {"orderId": order.order_id, "correlationId": order.correlation_id}
        _add_to_log(request, ids)
        return answer(OrderView.model_validate(order.model_dump() | {"reasons": order.reasons}))

    def _find(self, order_id: str, tx: Transaction, caller: Caller) -> Order:
        """Read an order. That of somebody else does not exist, as far as the caller can tell."""
        order = self.commands.find(order_id, tx)
        if not caller.reaches(order.owner):
            raise UnknownOrder(order_id)
        return order

    @contextmanager
    def _admitted(self, request: Request) -> Iterator[None]:
        """Serve a request of a caller below the limit. During an outage nothing is counted."""
        with self.upstream.attempt():
            if self.rate:
                self.rate.admit(request)
            yield

    def _change(
        self, order_id: str, call: Call, body: str, change: Callable[[Transaction, str], Event]
    ) -> Response:
        def act(tx: Transaction, event_id: str) -> Envelope[Event]:
            order = self._find(order_id, tx, call.caller)
            correlation_id = order.correlation_id or event_id
            envelope = call.first(change(tx, event_id), event_id)
            return envelope.model_copy(update={"correlation_id": correlation_id})

        return self._accept(call, body, act)

    def _accept(
        self, call: Call, body: str, act: Callable[[Transaction, str], Envelope[Event]]
    ) -> Response:
        path = call.request.url.path
        request_hash = fingerprint(call.request.method, path, body)
        with self._admitted(call.request):
            done = carry_out(
                Command(act, request_hash, call.idempotency_key, caller=call.caller),
                self.store,
                self.sign,
            )
        envelope = done.envelope
        order_id = envelope.data.order_id
        _add_to_log(call.request, Glimpse.of(envelope).fields())
        accepted = Accepted(
            order_id=order_id,
            event_id=envelope.event_id,
            status=STATUS[envelope.event_type],
            correlation_id=envelope.correlation_id,
        )
        response = answer(accepted, HTTPStatus.ACCEPTED)
        response.headers["Location"] = f"/orders/{order_id}"
        if done.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        else:
            response.background = BackgroundTask(self.fast_path.publish, done.event)
        return response


async def health() -> dict[str, str]:
    """Report that the process responds.

    It calls no dependency: restarting would not help in an AWS outage.
    """
    return {"status": "ok"}


def _add_to_log(request: Request, ids: Mapping[str, str | None]) -> None:
    """Add the ids to the access log line of this request."""
    request.state.logged_ids = ids
