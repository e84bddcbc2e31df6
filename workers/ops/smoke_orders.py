"""The scenarios of the smoke test, and the orders that play them."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from workers.samples import Kind

NOTHING: Final = "-"


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
    skipped: str = ""  # the reason why it was not played

    @property
    def expected(self) -> tuple[str, ...]:
        """The values that ``found`` must have at the end."""
        return (*self.scenario.ends, self.scenario.dead_letters)

    @property
    def held(self) -> bool:
        """Whether the order ended as expected, or was not played."""
        return bool(self.skipped) or self.found == self.expected

    def row(self) -> dict[str, Any]:
        """Return a row for the table of results."""
        state, payment, inventory, dead_letters = self.found or (NOTHING,) * 4
        return {
            "scenario": self.scenario.name,
            "order": self.order_id,
            "state": state,
            "payment": payment,
            "inventory": inventory,
            "dead_letters": dead_letters,
            "seconds": f"{self.seconds:.1f}",
            "verdict": self.verdict,
        }

    @property
    def verdict(self) -> str:
        """The result in words."""
        if self.skipped:
            return f"skipped: {self.skipped}"
        return "ok" if self.held else f"FAILED, expected {', '.join(self.expected)}"
