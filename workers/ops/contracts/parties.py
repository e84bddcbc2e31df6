"""Looks up on the map who publishes, consumes and owns an event."""

from collections.abc import Iterable

from workers.topology import Topology


def producers(topology: Topology, event_type: str) -> list[str]:
    """Return the services that publish an event, sorted."""
    return sorted(name for name, each in topology.services.items() if event_type in each.publishes)


def consumers(topology: Topology, event_type: str) -> list[str]:
    """Return the services that consume an event, sorted."""
    return sorted(name for name, each in topology.services.items() if event_type in each.consumes)


def owners(topology: Topology, services: Iterable[str]) -> list[str]:
    """Return the teams that own services, sorted."""
    return sorted({topology.services[name].owner for name in services})
