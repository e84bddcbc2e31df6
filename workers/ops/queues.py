"""Counts the messages in every queue and dead-letter queue."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.identity import caller
from workers.aws.sqs import depth
from workers.runtime.errors import FatalError, PermanentError, Unavailable
from workers.runtime.roster import Pause
from workers.settings import Settings
from workers.topology import Topology

AT_ONCE: Final = 12  # requests in progress: every queue and dead-letter queue of the map

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class QueueState:
    """A service's queue and its dead-letter queue. The counts of SQS are approximate.

    ``Queues`` counts; the fields with a default are None unless ``ops.overview`` fills them in,
    and None there if they are unknown.
    """

    service: str
    queue: str
    visible: int  # waiting
    in_flight: int  # being handled
    delayed: int
    dead: int  # in the dead-letter queue
    oldest_seconds: int | None = None  # the age of the oldest message
    rate_in: float | None = None  # messages per second
    rate_out: float | None = None  # messages handled per second, over the last minute
    # Until the queue is empty at these rates; without rate_in, if nothing arrives. None: never.
    drain_seconds: int | None = None
    workers: int | None = None  # that run
    silent: int | None = None  # on the roster, but not heard for half a minute
    paused: Pause | None = None
    as_of: str = ""  # ISO 8601; by AWS's clock


class Queues:
    """Every queue in topology.json. Looks up the addresses once."""

    def __init__(self, clients: Clients, settings: Settings, topology: Topology) -> None:
        """Look up the queues. Raises ``FatalError`` if one does not exist."""
        self._sqs = clients.control()
        services = list(topology.consumers)

        def find(service: str) -> tuple[str, str]:
            return (
                names.queue_url(self._sqs, settings, service),
                names.dlq_url(self._sqs, settings, service),
            )

        try:
            self._urls: Mapping[str, tuple[str, str]] = dict(
                zip(services, at_once(find, services), strict=True)
            )
        except FatalError as error:
            raise FatalError(
                f"{error}. {_looked_in(clients, settings, topology, services)}"
            ) from error

    @property
    def names(self) -> dict[str, str]:
        """The name of each service's queue, as in the AWS console."""
        return {service: url.rpartition("/")[2] for service, (url, _) in self._urls.items()}

    def states(self) -> list[QueueState]:
        """Count the messages. The counts of SQS are approximate."""
        return at_once(lambda found: self._state(found[0], *found[1]), self._urls.items())

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


def at_once(call: Callable[[T], R], arguments: Iterable[T]) -> list[R]:
    """Call a function with each argument, in threads; return the results in order.

    Raises the first error, after every call has ended.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, arguments))


def _looked_in(
    clients: Clients, settings: Settings, topology: Topology, services: Iterable[str]
) -> str:
    """Say where and under which names the queues were looked up."""
    prefix, sqs = settings.name_prefix, clients.control()
    account = "an unknown account"
    with suppress(FatalError, PermanentError, Unavailable):
        account = f"account {caller(clients).split(':')[4]}"
    looked_up = ", ".join(
        f"{prefix}{name}"
        for service in services
        for name in (topology.queue_name(service), topology.dlq_name(service))
    )
    return (
        f"Looked in {sqs.meta.region_name}, {account}, at {sqs.meta.endpoint_url} for {looked_up}. "
        f'Check AWS_REGION, AWS_PROFILE and NAME_PREFIX (now "{prefix}")'
    )
