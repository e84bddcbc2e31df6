"""Executes a request once, however often it is sent: one transaction, one outbox row.

The inbox row of that transaction is the idempotency record. Idempotency keys work as in
Stripe's API: https://docs.stripe.com/api/idempotent_requests
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from workers.api.call import SOURCE
from workers.api.callers import EVERYBODY, Caller
from workers.api.problems import Refused
from workers.envelope import Encoded, Envelope, EnvelopeError, Event, Sign
from workers.events import OrderEvent, decode
from workers.runtime.crash import crash_point
from workers.runtime.errors import Conflict
from workers.runtime.ports import Record, Store, Transaction
from workers.services.lifecycle import NotAllowed
from workers.services.prices import WrongPrice

_RETRIES: Final = 7  # about half a second in total; then the client is told to retry


def fingerprint(method: str, path: str, body: str) -> str:
    """Return a hash that is equal for equivalent requests."""
    return sha256(f"{method} {path}\n{body}".encode()).hexdigest()


@dataclass(frozen=True)
class Command:
    """A request to change an order.

    ``act`` takes a transaction and an event id, makes the change, and returns the envelope to
    publish under that id. It may be called again after a conflict.
    """

    act: Callable[[Transaction, str], Envelope[Event]]
    fingerprint: str
    idempotency_key: str | None = None
    event_id: str = field(default_factory=lambda: str(uuid4()))
    caller: Caller = EVERYBODY

    @property
    def key(self) -> str:
        """The key of the inbox row. Callers do not share keys, nor do requests without one.

        What stands before the first ``#`` tells the three kinds apart: a client chooses only what
        stands behind it. Where everybody may call, the key is that of earlier versions.
        """
        if self.idempotency_key is None:
            return f"{SOURCE}.event#{self.event_id}"
        if not self.caller.subject:
            return f"{SOURCE}#{self.idempotency_key}"
        return f"{SOURCE}.{self.caller.hash}#{self.idempotency_key}"


@dataclass(frozen=True)
class Done:
    """The result of a command, from this request or an earlier one with the same key."""

    envelope: Envelope[OrderEvent]
    event: Encoded  # the same envelope, as stored
    replayed: bool


_RETRYING: Final = Retrying(
    retry=retry_if_exception_type(Conflict),
    wait=wait_random_exponential(multiplier=0.01, max=0.1),
    stop=stop_after_attempt(_RETRIES),
    reraise=True,
)


def carry_out(command: Command, store: Store, sign: Sign | None = None) -> Done:
    """Change the order and commit, or return the result of an earlier identical request.

    ``sign`` adds a signature to the event. Raises ``Refused`` if the idempotency key belongs to a
    different request or a newer version wrote the record, ``Conflict`` if other requests keep
    interfering, ``Unavailable``, and whatever ``act`` raises.
    """
    try:
        # At first, an order that is to be created is not looked up.
        record = _commit(command, store, sign, optimistic=True)
    except Conflict:
        record = _RETRYING(_commit, command, store, sign, optimistic=False)
    if record.fingerprint != command.fingerprint:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "This Idempotency-Key has already been used for a different request",
            kind="idempotency-key-reused",
        )
    (event,) = record.outcomes
    # A record with our own event id is not a replay: the reply to our first commit was lost.
    return Done(_read(event), event, replayed=event.event_id != command.event_id)


def _read(event: Encoded) -> Envelope[OrderEvent]:
    try:
        return decode(event.body)
    except EnvelopeError as error:
        raise Refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "A newer version of the service has processed this request; retry to get its response",
            kind="unavailable",
            retry_after=1,
        ) from error


def _commit(command: Command, store: Store, sign: Sign | None, *, optimistic: bool) -> Record:
    transaction = store.begin(command.key, fingerprint=command.fingerprint, optimistic=optimistic)
    try:
        envelope = command.act(transaction, command.event_id)
    except (NotAllowed, WrongPrice):
        # A retry may find the state that its own first attempt left, or a price that has changed
        # since: then return that result.
        if record := store.recall(command.key):
            return record
        raise
    crash_point("api.handled")
    record = store.commit(transaction, [Encoded.of(envelope, sign)])
    crash_point("api.committed")
    return record
