"""How full the queues are."""

from dataclasses import dataclass

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.sqs import depth
from workers.settings import Settings
from workers.topology import Topology, queue_name


@dataclass(frozen=True)
class QueueState:
    """One service's queue and its dead-letter queue, in messages."""

    service: str
    queue: str
    visible: int  # waiting
    in_flight: int  # being handled
    delayed: int
    dead: int  # in the dead-letter queue


def states(clients: Clients, settings: Settings, topology: Topology) -> list[QueueState]:
    """Look at every queue of the map. AWS calls the numbers approximate.

    Raises ``FatalError`` for a queue that does not exist.
    """
    sqs = clients.control()
    found = []
    for service in topology.consumers:
        queue = depth(sqs, names.queue_url(sqs, settings, service))
        dead = depth(sqs, names.dlq_url(sqs, settings, service))
        found.append(
            QueueState(
                service=service,
                queue=settings.name_prefix + queue_name(service),
                visible=queue.visible,
                in_flight=queue.in_flight,
                delayed=queue.delayed,
                dead=dead.visible + dead.in_flight,
            )
        )
    return found
