"""Simulated outcomes, requested by demonstration orders."""

from typing import Final

from workers.events import OrderCreated, Simulation
from workers.runtime.errors import TransientError

_NOTHING: Final = Simulation()


def simulated(order: OrderCreated, service: str, *, allowed: bool) -> Simulation:
    """Return the outcomes that the order asks to simulate; none unless ``allowed``.

    Raises ``TransientError`` if the order asks this service to fail.
    """
    if not allowed or order.simulation is None:
        return _NOTHING
    if order.simulation.technical_failure == service:
        raise TransientError(f"simulated: {service} is broken")
    return order.simulation
