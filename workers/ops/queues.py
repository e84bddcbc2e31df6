"""Counts the messages in every queue and dead-letter queue."""

from dataclasses import dataclass

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.sqs import depth
from workers.settings import Settings
from workers.topology import Topology


@dataclass(frozen=True)
class QueueState:
    """The number of messages in a service's queue and its dead-letter queue."""

    service: str
    queue: str
    visible: int  # waiting
    in_flight: int  # being handled
    delayed: int
    dead: int  # in the dead-letter queue


class Queues:
    """Every queue in topology.json. Looks up the addresses once."""

    def __init__(self, clients: Clients, settings: Settings, topology: Topology) -> None:
        """Look up the queues. Raises ``FatalError`` if one does not exist."""
        self._sqs = clients.control()
        self._urls = {
            service: (
                names.queue_url(self._sqs, settings, service),
                names.dlq_url(self._sqs, settings, service),
            )
            for service in topology.consumers
        }

    def states(self) -> list[QueueState]:
        """Count the messages. The counts of SQS are approximate."""
        return [self._state(service, *urls) for service, urls in self._urls.items()]

    def _state(self, service: str, url: str, dlq_url: str) -> QueueState:
        queue, dead = depth(self._sqs, url), depth(self._sqs, dlq_url)
        return QueueState(
            service=service,
            queue=url.rpartition("/")[2],
            visible=queue.visible,
            in_flight=queue.in_flight,
            delayed=queue.delayed,
            dead=dead.visible + dead.in_flight,
        )
