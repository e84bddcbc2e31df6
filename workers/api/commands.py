"""Carries a request out once, however often it is sent: one transaction, one outbox row.

The inbox row of that transaction is the idempotency record, as Stripe defines one:
https://docs.stripe.com/api/idempotent_requests
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from workers.api.call import SOURCE
from workers.api.problems import Refused
from workers.envelope import Encoded, Envelope, decode
from workers.events import Event
from workers.runtime.errors import Conflict
from workers.runtime.ports import Record, Store, Transaction
from workers.services.lifecycle import NotAllowed

_ATTEMPTS: Final = 8  # within about half a second; then the client is told to come back


def fingerprint(method: str, path: str, body: str) -> str:
    """Recognise a request that means the same."""
    return sha256(f"{method} {path}\n{body}".encode()).hexdigest()


@dataclass(frozen=True)
class Command:
    """A request to change an order.

    ``act`` makes the change in a transaction and gives the envelope to publish, under the id
    it is passed. It may be called again after a conflict.
    """

    act: Callable[[Transaction, str], Envelope[Event]]
    fingerprint: str
    idempotency_key: str | None = None
    event_id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def key(self) -> str:
        """The key of its record. One that nobody chose cannot be sent twice."""
        return f"{SOURCE}#{self.idempotency_key or self.event_id}"


@dataclass(frozen=True)
class Done:
    """What a command led to, now or when it was sent first."""

    envelope: Envelope[Event]
    event: Encoded  # the same, as it was recorded
    replayed: bool


@retry(
    retry=retry_if_exception_type(Conflict),
    wait=wait_random_exponential(multiplier=0.01, max=0.1),
    stop=stop_after_attempt(_ATTEMPTS),
    reraise=True,
)
def carry_out(command: Command, store: Store) -> Done:
    """Change the order and commit, or find that this was done before.

    Raises ``Refused`` if the idempotency key belongs to another request, ``Conflict`` if others
    keep interfering, ``Unavailable``, and what ``act`` raises.
    """
    record = _commit(command, store)
    if record.fingerprint != command.fingerprint:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "This Idempotency-Key was used for a different request",
            kind="idempotency-key-reused",
        )
    (event,) = record.outcomes
    # A record under our own id is no replay: the reply to our first commit got lost.
    return Done(decode(event.body), event, replayed=event.event_id != command.event_id)


def _commit(command: Command, store: Store) -> Record:
    transaction = store.begin(command.key, fingerprint=command.fingerprint)
    try:
        envelope = command.act(transaction, command.event_id)
    except NotAllowed:
        # Sent before, the same request has changed the state that it now finds forbidding.
        if record := store.recall(command.key):
            return record
        raise
    return store.commit(transaction, [Encoded.of(envelope)])
