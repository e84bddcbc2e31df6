"""The dead letters of one service: where they are, where they go back to, and what is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.dead_letters import HIDE_SECONDS, MAX_READ, Taken, peek
from workers.aws.generations import inbox_scope
from workers.ops.dlq import DeadMessage, explained
from workers.ops.dlq_rows import Known, known_about
from workers.ops.dlq_select import Selection, SelectionError, select, short_ids
from workers.settings import Settings
from workers.topology import Topology

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

DLQ: Final = "dlq"  # what workers gave up, with reasons
UNDELIVERED: Final = "undelivered"  # what SNS could not deliver


class HeldError(Exception):
    """Another reader holds the messages; the text says how many, and when to try again."""


@dataclass(frozen=True)
class Place:
    """A dead-letter queue of a service, and the queue that its messages came from."""

    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    service: str
    table: str
    kind: str  # DLQ or UNDELIVERED
    source: str  # URL of the dead-letter queue
    destination: str  # URL of the service's queue
    scope: str = ""  # of the service's inbox; see aws/generations.py

    @property
    def name(self) -> str:
        """The dead-letter queue's name, as in the AWS console."""
        return self.source.rpartition("/")[2]


@dataclass(frozen=True)
class Read:
    """The dead letters that could be read, and what the service's table knows about them."""

    letters: tuple[DeadMessage, ...]  # oldest first
    known: Mapping[str, Known]  # by ``DeadMessage.key``
    taken: Taken

    def choose(self, selection: Selection) -> list[DeadMessage]:
        """Return the selected dead letters, oldest first.

        Raises ``SelectionError``, or ``HeldError`` if another reader may hold a message.
        """
        try:
            return select(selection, self.letters, self.known)
        except SelectionError as error:
            if self.taken.unread:
                raise HeldError(f"{error}\n{shortfall(self.taken)}") from None
            raise

    def find(self, prefix: str) -> DeadMessage:
        """Return the one dead letter whose id starts so.

        Raises ``SelectionError``, or ``HeldError`` if another reader may hold the message.
        """
        exact = [letter for letter in self.letters if letter.id == prefix]
        found = exact or [m for m in self.letters if prefix and m.id.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if not found and self.taken.unread:
            raise HeldError(shortfall(self.taken))
        ids = ", ".join(list(short_ids([m.id for m in self.letters]).values())[:20]) or "none"
        raise SelectionError(f"{len(found)} messages match {prefix!r}. There are: {ids}")


def place_of(
    clients: Clients, settings: Settings, topology: Topology, service: str, kind: str = DLQ
) -> Place:
    """Look up the queues of a service. Raises ``FatalError`` if one does not exist."""
    sqs = clients.control()
    find = names.dlq_url if kind == DLQ else names.undelivered_url
    dynamodb = clients.dynamodb()
    table = settings.own_table(topology.services[service].table)
    return Place(
        sqs=sqs,
        dynamodb=dynamodb,
        service=service,
        table=table,
        kind=kind,
        source=find(sqs, settings, service),
        destination=names.queue_url(sqs, settings, service),
        scope=inbox_scope(dynamodb, table, service),
    )


def read(place: Place, *, limit: int = MAX_READ) -> Read:
    """Read up to ``limit`` dead letters, make them visible again, and look them up."""
    return interpreted(place, peek(place.sqs, place.source, limit=limit))


def interpreted(place: Place, taken: Taken) -> Read:
    """Look up messages that were taken."""
    letters = tuple(map(explained, taken.messages))
    keys = (letter.key for letter in letters)
    known = known_about(place.dynamodb, place.table, keys, scope=place.scope)
    return Read(letters, known, taken)


def shortfall(taken: Taken, reader: str = "") -> str:
    """Say that not all messages were read, and why; empty if all were."""
    if not taken.unread:
        return ""
    if not taken.held_elsewhere:
        return f"{taken.there} there, the oldest {len(taken.messages)} read: that is the limit"
    who = f"{reader} holds" if reader else "another reader holds"
    return (
        f"{taken.there} there, {len(taken.messages)} readable now ({who} the rest); "
        f"try again in {HIDE_SECONDS} s"
    )
