"""Predicts how long a fixed number of workers takes to drain a backlog.

``python -m bench.capacity`` compares it with real workers.
"""

from dataclasses import dataclass

from local.capacity.engine import Durations, Simulation, Station


@dataclass(frozen=True)
class Drain:
    """The time from the first receive to the last delete, and the age of messages (s)."""

    seconds: float
    p99: float


def drain(messages: int, slots: int, durations: Durations, *, seed: int) -> Drain:
    """Simulate a drain, message by message, with a number of handler slots over all workers."""
    simulation = Simulation(seed)
    station = Station(simulation, durations, slots)
    for _ in range(messages):
        station.arrive(1)
    simulation.run()
    return Drain(simulation.now, station.percentile(0.99))
