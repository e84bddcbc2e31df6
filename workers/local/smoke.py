"""The smoke test of a running system: one order of each scenario, followed to its end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import urllib3
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from workers.local.plan import Kind, PlannedOrder
from workers.ops.dlq import DeadMessage

TIMEOUT: Final = urllib3.Timeout(connect=2.0, read=10.0)  # s
START_PATIENCE: Final = 30.0  # s until the first order must be accepted
PATIENCE: Final = 90.0  # s for an order to reach its end; three attempts back off for some 15 s
GLANCE: Final = 0.5  # s between looks
ITEMS: Final = (("LAPTOP-001", 1),)
NO_DEAD_LETTER: Final = "no dead letter"

DeadLetters = Callable[[], Sequence[DeadMessage]]


class SmokeError(Exception):
    """The system does not take orders; the text says why."""


class _Busy(Exception):
    """No answer, or one that asks to come again."""


@dataclass(frozen=True)
class Scenario:
    """What is placed, and how it must end: state, payment, inventory, and perhaps a dead letter."""

    name: str
    kind: Kind
    ends: tuple[str, str, str]
    dead_letter: str = NO_DEAD_LETTER


def scenarios(max_attempts: int) -> tuple[Scenario, ...]:
    """Give the three; payment gives up after so many attempts."""
    given_up = f"transient after {max_attempts} attempts"
    return (
        Scenario("success", "success", ("confirmed", "completed", "reserved")),
        Scenario("business failure", "declined", ("cancelled", "failed", "released")),
        Scenario("technical failure", "technical", ("pending", "pending", "reserved"), given_up),
    )


@dataclass
class Followed:
    """One order, and what was seen of it so far."""

    scenario: Scenario
    order_id: str
    found: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def expected(self) -> tuple[str, ...]:
        """What must be found at its end."""
        return (*self.scenario.ends, self.scenario.dead_letter)

    @property
    def held(self) -> bool:
        """Whether it reached the end that it had to reach."""
        return self.found == self.expected

    def row(self) -> dict[str, Any]:
        """Give it as a row of a table."""
        state, payment, inventory, dead_letter = self.found
        return {
            "scenario": self.scenario.name,
            "order": self.order_id,
            "state": state,
            "payment": payment,
            "inventory": inventory,
            "dead_letter": dead_letter,
            "seconds": f"{self.seconds:.1f}",
            "verdict": "ok" if self.held else f"FAILED, expected {', '.join(self.expected)}",
        }


class Smoke:
    """Places the orders and follows them.

    ``dead_letters`` looks into payment's, which gets them after ``max_attempts``.
    """

    def __init__(self, api: str, dead_letters: DeadLetters, *, max_attempts: int) -> None:
        self._api = api.rstrip("/")
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=False)
        self._dead_letters = dead_letters
        self._scenarios = scenarios(max_attempts)

    def run(self) -> list[Followed]:
        """Play every scenario at once. Raises ``SmokeError`` if an order is not even accepted."""
        started = time.monotonic()
        orders = [Followed(scenario, self._place(scenario)) for scenario in self._scenarios]
        while waiting := [order for order in orders if not order.held]:
            elapsed = time.monotonic() - started
            if elapsed > PATIENCE:
                break
            for order in waiting:
                order.found, order.seconds = self._find(order), elapsed
            time.sleep(GLANCE)
        return orders

    def _place(self, scenario: Scenario) -> str:
        body = PlannedOrder(1, scenario.kind, ITEMS).body()
        accepted = self._ask(
            "POST", "/orders", json=body, headers={"Idempotency-Key": str(uuid4())}
        )
        return str(accepted["orderId"])

    def _find(self, order: Followed) -> tuple[str, ...]:
        seen = self._ask("GET", f"/orders/{order.order_id}")
        dead_letter = NO_DEAD_LETTER
        if order.scenario.dead_letter != NO_DEAD_LETTER:
            for letter in self._dead_letters():
                if letter.order_id == order.order_id:
                    dead_letter = f"{letter.type} after {letter.attempts} attempts"
        return (seen["state"], seen["payment"], seen["inventory"], dead_letter)

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Ask until an answer comes: the idempotency key makes repeats harmless."""

        def once() -> dict[str, Any]:
            try:
                answer = self._http.request(method, self._api + path, **request)
            except urllib3.exceptions.HTTPError as error:
                raise _Busy(f"{self._api}{path}: {error}") from error
            text = f"{self._api}{path}: {answer.status} {answer.data.decode()[:500]}"
            if answer.status >= 500:  # noqa: PLR2004 - HTTP
                raise _Busy(text)
            if answer.status >= 400:  # noqa: PLR2004 - HTTP
                raise SmokeError(f"{text} (is ALLOW_SIMULATION=true?)")
            found: dict[str, Any] = answer.json()
            return found

        try:
            return Retrying(
                retry=retry_if_exception_type(_Busy),
                stop=stop_after_delay(START_PATIENCE),
                wait=wait_exponential_jitter(initial=0.2, max=2.0),
                reraise=True,
            )(once)
        except _Busy as error:
            raise SmokeError(str(error)) from error
