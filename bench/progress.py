"""Tells how far a call is, and how long the rest will take."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.lineup import Peer
from bench.scenarios import Scenario

_MINUTE = 60.0  # s


@dataclass(frozen=True)
class Step:
    """One scenario of a call."""

    scenario: Scenario
    peers: Sequence[Peer]
    rounds: int

    @property
    def seconds(self) -> float:
        """About how long it takes on two quiet cores."""
        share = 1.0 if self.scenario.together else len(self.peers) / len(self.scenario.peers)
        return self.scenario.round_seconds * self.rounds * share


@dataclass(frozen=True)
class Plan:
    """The scenarios of a call, in order."""

    steps: Sequence[Step]

    def line(self, position: int, elapsed: float) -> str:
        """Return a line for the step at ``position``, ``elapsed`` s after the first began.

        The time left assumes that the machine stays as fast as it was.
        """
        done = sum(step.seconds for step in self.steps[:position])
        left = sum(step.seconds for step in self.steps[position:])
        pace = elapsed / done if done else 1.0
        step = self.steps[position]
        return (
            f"{step.scenario.name} (scenario {position + 1} of {len(self.steps)}, "
            f"{elapsed / _MINUTE:.0f} min so far, about {max(1.0, left * pace / _MINUTE):.0f} min "
            f"left), rounds: {step.rounds}: {', '.join(peer.name for peer in step.peers)}"
        )
