"""What a demonstration order makes the services pretend."""

from typing import Final

from workers.events import OrderCreated, Simulation
from workers.runtime.errors import TransientError

_NOTHING: Final = Simulation()


def simulated(order: OrderCreated, service: str, *, allowed: bool) -> Simulation:
    """Tell what the order asks to pretend: nothing where that is not allowed.

    Raises ``TransientError`` if the order asks this service to break down.
    """
    if not allowed or order.simulation is None:
        return _NOTHING
    if order.simulation.technical_failure == service:
        raise TransientError(f"simulated: {service} is broken")
    return order.simulation
