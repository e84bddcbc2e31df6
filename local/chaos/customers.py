"""Simulated customers: place orders over HTTP, retry unanswered requests, record the answers."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Final

import httpx
from tenacity import (
    Retrying,
    retry_if_result,
    stop_after_delay,
    wait_exponential_jitter,
    wait_fixed,
)

from local.chaos.history import CANCEL, PLACE, REFUND, History, Op, Type
from workers.samples import SampleOrder

AT_ONCE: Final = 8  # customers
REQUEST_TIMEOUT: Final = 10.0  # s
PATIENCE: Final = 60.0  # s of retrying one request
CURIOSITY: Final = 30.0  # s of waiting for an order to be confirmed
POLL_INTERVAL: Final = 0.5  # s
# Shares of customers: those that never retry, and those that repeat a successful request.
IMPATIENT: Final = 0.05
ANXIOUS: Final = 0.1
_RETRIED: Final = frozenset({409, 429})  # and 500 or more: retry the same request


@dataclass
class Customers:
    """All customers. The same seed makes the same ones impatient or anxious."""

    url: str
    history: History
    seed: int
    prefix: str = ""  # of idempotency keys

    def place(self, orders: Sequence[SampleOrder]) -> Iterator[SampleOrder]:
        """Place the orders, ``AT_ONCE`` at a time. Yields each when its customer is done."""
        with (
            httpx.Client(base_url=self.url, timeout=REQUEST_TIMEOUT) as api,
            ThreadPoolExecutor(AT_ONCE) as customers,
        ):
            waiting = [customers.submit(self._order, api, order) for order in orders]
            for done in as_completed(waiting):
                yield done.result()

    def _order(self, api: httpx.Client, order: SampleOrder) -> SampleOrder:
        rng = random.Random(f"{self.seed}-{order.number}")  # noqa: S311 - repeatable on purpose
        patience = 0.0 if rng.random() < IMPATIENT else PATIENCE
        anxious = rng.random() < ANXIOUS
        request = _Request(api, self.history, order, PLACE, f"{self.prefix}{order.idempotency_key}")
        placed = request.until_answered("/orders", order.body(), patience)
        if placed and anxious:
            request.until_answered("/orders", order.body(), patience)
        if placed and order.kind == "cancelled":
            self._change(api, order, placed, CANCEL, patience)
        if placed and order.kind == "refunded" and _is_confirmed(api, placed.order_id):
            self._change(api, order, placed, REFUND, patience)
        return order

    def _change(
        self, api: httpx.Client, order: SampleOrder, placed: Op, action: str, patience: float
    ) -> None:
        request = _Request(api, self.history, order, action, f"{placed.key}-{action}")
        body = {"reason": "changed my mind"}
        request.until_answered(f"/orders/{placed.order_id}/{action}", body, patience)


def _is_confirmed(api: httpx.Client, order_id: str) -> bool:
    """Wait until an order is confirmed. Returns False after ``CURIOSITY`` s."""

    def state() -> str:
        try:
            answer = api.get(f"/orders/{order_id}")
        except httpx.TransportError:
            return ""
        return str(answer.json()["state"]) if answer.is_success else ""

    return bool(
        Retrying(
            retry=retry_if_result(lambda state: state != "confirmed"),
            stop=stop_after_delay(CURIOSITY),
            wait=wait_fixed(POLL_INTERVAL),
            retry_error_callback=lambda _: "",
        )(state)
    )


@dataclass(frozen=True)
class _Request:
    """One request of a customer, with its idempotency key."""

    api: httpx.Client
    history: History
    order: SampleOrder
    action: str
    key: str

    def until_answered(self, path: str, body: dict[str, Any], patience: float) -> Op | None:
        """Send the request until its result is known. Returns None unless it was acknowledged."""
        op: Op = Retrying(
            retry=retry_if_result(lambda op: op.type == "unknown"),
            stop=stop_after_delay(patience),
            wait=wait_exponential_jitter(multiplier=0.1, max=2.0),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )(lambda: self._once(path, body))
        return op if op.type == "acknowledged" else None

    def _once(self, path: str, body: dict[str, Any]) -> Op:
        self._note("invoked")
        try:
            answer = self.api.post(path, json=body, headers={"Idempotency-Key": self.key})
        except httpx.TransportError as error:
            return self._note("unknown", detail=type(error).__name__)
        if answer.is_success:
            order_id = answer.json()["orderId"]
            return self._note("acknowledged", answer, order_id=order_id, body=answer.text)
        lasting = answer.is_client_error and answer.status_code not in _RETRIED
        return self._note("failed" if lasting else "unknown", answer, detail=answer.text[:500])

    def _note(self, what: Type, answer: httpx.Response | None = None, **fields: str) -> Op:
        status = answer.status_code if answer else 0
        op = Op(what, self.action, self.key, self.order.number, status=status, **fields)
        self.history.write(op)
        return op
