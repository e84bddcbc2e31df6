"""Smoke test of a running system: places one order per scenario and checks how it ends."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal
from uuid import uuid4

import urllib3
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from workers.aws import names
from workers.aws.clients import Clients
from workers.ops.dlq import DeadMessage, look
from workers.ops.queues import Queues
from workers.samples import Kind, SampleOrder
from workers.settings import Settings
from workers.topology import Topology

TIMEOUT: Final = urllib3.Timeout(connect=2.0, read=10.0)  # s
START_PATIENCE: Final = 30.0  # s that a request may take to succeed
PATIENCE: Final = 90.0  # s for the orders to end; three attempts back off for some 15 s
GLANCE: Final = 0.5  # s between two checks
ITEMS: Final = (("LAPTOP-001", 1),)
ENOUGH: Final = 1_000  # dead letters to read from a queue
NOTHING: Final = "-"

DeadLetters = Callable[[], Sequence[tuple[str, DeadMessage]]]  # of every service, with its name


class SmokeError(Exception):
    """The system does not accept orders; the text says why."""


class _Busy(Exception):
    """No answer, or one that calls for a retry."""


@dataclass(frozen=True)
class Scenario:
    """An order to place, and how it must end."""

    name: str
    kind: Kind
    ends: tuple[str, str, str]  # state, payment, inventory
    dead_letters: str = NOTHING
    then: Literal["refund"] | None = None  # requested once the order is confirmed


def scenarios(max_attempts: int) -> tuple[Scenario, ...]:
    """Return the scenarios. Payment gives up after ``max_attempts``."""
    given_up = f"payment: transient after {max_attempts} attempts"
    return (
        Scenario("success", "success", ("confirmed", "completed", "reserved")),
        Scenario("business failure", "declined", ("cancelled", "failed", "released")),
        Scenario(
            "refund before shipping",
            "success",
            ("cancelled", "refunded", "released"),
            then="refund",
        ),
        Scenario("technical failure", "technical", ("pending", "pending", "reserved"), given_up),
    )


@dataclass
class Followed:
    """One order, and its last known state."""

    scenario: Scenario
    order_id: str
    found: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def expected(self) -> tuple[str, ...]:
        """The values that ``found`` must have at the end."""
        return (*self.scenario.ends, self.scenario.dead_letters)

    @property
    def held(self) -> bool:
        """Whether the order ended as expected."""
        return self.found == self.expected

    def row(self) -> dict[str, Any]:
        """Return a row for the table of results."""
        state, payment, inventory, dead_letters = self.found
        return {
            "scenario": self.scenario.name,
            "order": self.order_id,
            "state": state,
            "payment": payment,
            "inventory": inventory,
            "dead_letters": dead_letters,
            "seconds": f"{self.seconds:.1f}",
            "verdict": "ok" if self.held else f"FAILED, expected {', '.join(self.expected)}",
        }


class Smoke:
    """Places the orders and checks how they end. Payment gives up after ``max_attempts``."""

    def __init__(self, api: str, dead_letters: DeadLetters, *, max_attempts: int) -> None:
        self._api = api.rstrip("/")
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
        self._dead_letters = dead_letters
        self._scenarios = scenarios(max_attempts)

    def run(self) -> list[Followed]:
        """Run every scenario at once. Raises ``SmokeError`` if an order is not accepted."""
        started = time.monotonic()
        orders = [Followed(scenario, self._place(scenario)) for scenario in self._scenarios]
        while time.monotonic() < started + PATIENCE:
            dead = self._dead_letters()
            for order in orders:  # an order that has ended must not change again
                ended, order.found = order.held, self._find(order.order_id, dead)
                if order.found[0] == "confirmed" and order.scenario.then:
                    self._go_on(order)
                if not ended:
                    order.seconds = time.monotonic() - started
            if all(order.held for order in orders):
                break
            time.sleep(GLANCE)
        return orders

    def _place(self, scenario: Scenario) -> str:
        body = SampleOrder(1, scenario.kind, ITEMS).body()
        accepted = self._ask(
            "POST", "/orders", json=body, headers={"Idempotency-Key": str(uuid4())}
        )
        return str(accepted["orderId"])

    def _go_on(self, order: Followed) -> None:
        """Request what follows. The idempotency key makes a second request harmless."""
        action = order.scenario.then
        self._ask(
            "POST",
            f"/orders/{order.order_id}/{action}",
            headers={"Idempotency-Key": f"{action}-{order.order_id}"},
        )

    def _find(self, order_id: str, dead: Sequence[tuple[str, DeadMessage]]) -> tuple[str, ...]:
        seen = self._ask("GET", f"/orders/{order_id}")
        letters = [
            f"{service}: {letter.type} after {letter.attempts} attempts"
            for service, letter in dead
            if letter.order_id == order_id
        ]
        return seen["state"], seen["payment"], seen["inventory"], "; ".join(letters) or NOTHING

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Repeat a request until it is answered; its idempotency key makes that safe."""

        def once() -> dict[str, Any]:
            try:
                answer = self._http.request(method, self._api + path, **request)
            except urllib3.exceptions.HTTPError as error:
                raise _Busy(f"{self._api}{path}: {error}") from error
            text = f"{self._api}{path}: {answer.status} {answer.data.decode()[:500]}"
            if answer.status == HTTPStatus.CONFLICT or answer.status >= 500:  # noqa: PLR2004 - HTTP
                raise _Busy(text)
            if answer.status >= 400:  # noqa: PLR2004 - HTTP
                raise SmokeError(f"{text} (is ALLOW_SIMULATION=true?)")
            found: dict[str, Any] = answer.json()
            return found

        try:
            return Retrying(
                retry=retry_if_exception_type(_Busy),
                stop=stop_after_delay(START_PATIENCE),
                wait=wait_exponential_jitter(multiplier=0.2, max=2.0),
                reraise=True,
            )(once)
        except _Busy as error:
            raise SmokeError(str(error)) from error


def everywhere(clients: Clients, settings: Settings, topology: Topology) -> DeadLetters:
    """Return a function that reads every dead-letter queue with messages."""
    sqs, queues = clients.control(), Queues(clients, settings, topology)

    def look_everywhere() -> Sequence[tuple[str, DeadMessage]]:
        return [
            (queue.service, letter)
            for queue in queues.states()
            if queue.dead
            for letter in look(sqs, names.dlq_url(sqs, settings, queue.service), limit=ENOUGH)
        ]

    return look_everywhere
