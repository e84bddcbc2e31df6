"""Smoke test of a running system: places one order per scenario and checks how it ends."""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import urllib3
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from workers.aws import names
from workers.aws.clients import Clients
from workers.ops.dlq import DeadMessage, look
from workers.ops.queues import Queues
from workers.ops.smoke_orders import NOTHING, Followed, Scenario, scenarios
from workers.runtime.errors import FatalError, Unavailable
from workers.samples import SampleOrder
from workers.settings import Settings
from workers.topology import Topology

TIMEOUT: Final = urllib3.Timeout(connect=2.0, read=10.0)  # s
START_PATIENCE: Final = 30.0  # s that a request may take to succeed
LISTEN_PATIENCE: Final = 1.5  # s; nobody there that accepts a connection
SIMULATED: Final = ("paymentOutcome", "inventoryOutcome", "simulateTechnicalFailure")
PATIENCE: Final = 90.0  # s for the orders to end; three attempts back off for some 15 s
GLANCE: Final = 0.5  # s between two checks
ITEMS: Final = (("LAPTOP-001", 1),)
ENOUGH: Final = 1_000  # dead letters to read from a queue

DeadLetters = Callable[[], Sequence[tuple[str, DeadMessage]]]  # of every service, with its name
Say = Callable[[str], None]


class SmokeError(Exception):
    """The system does not accept orders; the text says why."""


class _Busy(Exception):
    """No answer, or one that calls for a retry."""


class _Absent(Exception):
    """Nobody accepts a connection."""


class _Simulated(Exception):
    """The system refuses to simulate an outcome, as it should with real customers."""


class Smoke:
    """Places the orders and checks how they end. Payment gives up after ``max_attempts``."""

    def __init__(
        self,
        api: str,
        dead_letters: DeadLetters,
        *,
        max_attempts: int,
        token: str = "",
        say: Say = lambda _line: None,
    ) -> None:
        """``token`` is the bearer token of the API; ``say`` gets a line about each step."""
        self._api = api.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._say = say
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
        self._dead_letters = dead_letters
        self._scenarios = scenarios(max_attempts)

    def run(self) -> list[Followed]:
        """Run every scenario at once. Raises ``SmokeError`` if an order is not accepted.

        A scenario that the system refuses to simulate is skipped.
        """
        started = time.monotonic()
        self._say(f"placing {len(self._scenarios)} orders at {self._api}")
        orders = [self._place(scenario) for scenario in self._scenarios]
        played = [order for order in orders if not order.skipped]
        while time.monotonic() < started + PATIENCE:
            dead = self._dead_letters()
            for order in played:  # an order that has ended must not change again
                self._look(order, dead, time.monotonic() - started)
            if all(order.held for order in played):
                break
            time.sleep(GLANCE)
        return orders

    def _look(
        self, order: Followed, dead: Sequence[tuple[str, DeadMessage]], seconds: float
    ) -> None:
        ended, before = order.held, order.found
        order.found = self._find(order.order_id, dead)
        if order.found != before:
            name, state = order.scenario.name, ", ".join(order.found)
            self._say(f"{name}: {state}{' (ok)' if order.held else ''} after {seconds:.1f} s")
        if order.found[0] == "confirmed" and order.scenario.then:
            self._go_on(order)
        if not ended:
            order.seconds = seconds

    def _place(self, scenario: Scenario) -> Followed:
        body = SampleOrder(1, scenario.kind, ITEMS).body()
        try:
            accepted = self._ask(
                "POST", "/orders", json=body, headers={"Idempotency-Key": str(uuid4())}
            )
        except _Simulated:
            order = Followed(scenario, NOTHING, skipped="this system simulates nothing")
            self._say(f"{scenario.name}: {order.verdict}")
            return order
        self._say(f"{scenario.name}: accepted as {accepted['orderId']}")
        return Followed(scenario, str(accepted["orderId"]))

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
        request["headers"] = self._headers | request.get("headers", {})
        begun = time.monotonic()

        def once() -> dict[str, Any]:
            try:
                answer = self._http.request(method, self._api + path, **request)
            except (
                urllib3.exceptions.NewConnectionError,
                urllib3.exceptions.ConnectTimeoutError,
            ) as error:
                text = f"{self._api}{path}: {error}"
                late = time.monotonic() - begun > LISTEN_PATIENCE
                raise (_Absent(text) if late else _Busy(text)) from error
            except urllib3.exceptions.HTTPError as error:
                raise _Busy(f"{self._api}{path}: {error}") from error
            text = f"{self._api}{path}: {answer.status} {answer.data.decode()[:500]}"
            if answer.status == HTTPStatus.CONFLICT or answer.status >= 500:  # noqa: PLR2004 - HTTP
                raise _Busy(text)
            if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and _simulation_refused(answer):
                raise _Simulated
            if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise SmokeError(f"{text} (pass --token or set TOKEN)")
            if answer.status >= 400:  # noqa: PLR2004 - HTTP
                raise SmokeError(text)
            found: dict[str, Any] = answer.json()
            return found

        try:
            return Retrying(
                retry=retry_if_exception_type(_Busy),
                stop=stop_after_delay(START_PATIENCE),
                wait=wait_exponential_jitter(multiplier=0.2, max=1.0, jitter=0.2),
                reraise=True,
            )(once)
        except (_Absent, _Busy) as error:
            raise SmokeError(str(error)) from error


def _simulation_refused(answer: urllib3.BaseHTTPResponse) -> bool:
    """Return whether a 422 is about nothing but the fields that ask for a simulation."""
    fields = [each.get("field") for each in answer.json().get("errors", [])]
    return bool(fields) and set(fields) <= set(SIMULATED)


def everywhere(
    clients: Clients, settings: Settings, topology: Topology, say: Say = lambda _line: None
) -> DeadLetters:
    """Return a function that reads every dead-letter queue with messages.

    Without access to the queues it says so once, and finds no letters.
    """
    queues: list[Queues] = []
    refused: list[Exception] = []

    def look_everywhere() -> Sequence[tuple[str, DeadMessage]]:
        try:
            if refused:
                return []
            if not queues:
                queues.append(Queues(clients, settings, topology))
            return _letters(clients, settings, queues[0])
        except (FatalError, Unavailable) as error:
            refused.append(error)
            say(f"dead letters are not looked at: {error}")
            return []

    return look_everywhere


def _letters(
    clients: Clients, settings: Settings, queues: Queues
) -> Sequence[tuple[str, DeadMessage]]:
    sqs = clients.control()
    return [
        (queue.service, letter)
        for queue in queues.states()
        if queue.dead
        for letter in look(sqs, names.dlq_url(sqs, settings, queue.service), limit=ENOUGH)
    ]
