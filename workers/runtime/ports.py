"""What the runtime needs from the outside world. Adapters in ``workers.aws`` provide it.

Every call of an adapter has a timeout. Adapters raise only ``Unavailable`` (the dependency does
not answer, throttles or fails), ``FatalError`` (queue gone, access denied), ``PermanentError``
(refused for good) and what a method names; never an error of an SDK.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from workers.envelope import Encoded

# Values are str, int, Decimal, bool, None, and lists and dicts of these; never float.
Document: TypeAlias = dict[str, object]
Outcomes: TypeAlias = Sequence[Encoded]


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery from a queue. A redelivery is another Message with the same id."""

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    sent_at: float  # epoch seconds


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message goes to the dead-letter queue; travels with it as attributes."""

    reason: str  # for a person; no customer data
    type: str  # low cardinality: "malformed", "permanent", "TimeoutError"
    attempts: int
    trail: str = ""  # when, where and how each attempt ended


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery of a message that counts against it."""

    receive_count: int
    at: str  # ISO 8601, UTC
    worker: str
    error: str = ""  # "type: text"; empty if no worker lived to say


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """What is on record about a message, by its SQS message id."""

    attempts: tuple[Attempt, ...] = ()  # by receive count
    returned: int = 0  # the last delivery that a worker itself gave back, by receive count

    def trail(self) -> str:
        """Render the attempts for a person, one after the other."""
        return "; ".join(
            f"receive {a.receive_count} at {a.at} on {a.worker}: {a.error or 'no end on record'}"
            for a in self.attempts
        )


class Queue(Protocol):
    """A queue and its dead-letter queue."""

    @property
    def name(self) -> str:
        """The queue's name, as in the AWS console."""

    def receive(self, limit: int, wait: float) -> Sequence[Message]:
        """Receive up to ``limit`` (1 to 10) messages, waiting up to ``wait`` s for the first."""

    def delete(self, handles: Sequence[str]) -> Mapping[int, str]:
        """Delete up to ten messages; return position -> error code of those that failed.

        Deleting twice succeeds.
        """

    def change_visibility(self, changes: Sequence[tuple[str, int]]) -> Mapping[int, str]:
        """Hide up to ten (receipt handle, seconds) from now on; return failures as ``delete``."""

    def dead_letter(self, message: Message, failure: Failure) -> None:
        """Send a copy to the dead-letter queue. The caller deletes the message afterwards."""


class Topic(Protocol):
    """The topic that every event goes through."""

    def publish(self, events: Outcomes) -> Mapping[int, Exception]:
        """Publish all as they are, in batches; return position -> error of those not accepted.

        An error is ``Unavailable`` (try again) or ``PermanentError`` (never will be accepted).
        An event may be delivered twice, under the same event id.
        """


@dataclass(frozen=True, slots=True)
class Between:
    """A counter's ``field`` must lie in [low, high] before it is changed; None is no bound."""

    field: str
    low: int | None = None
    high: int | None = None


class Transaction(Protocol):
    """What one handler reads and writes: committed all at once, or not at all.

    One write per key. Any method raises ``LeaseLost`` once the message may be in other hands.
    """

    def get(self, key: str, *, creating: bool = False) -> Document | None:
        """Read a document, consistently.

        ``creating`` is for a handler that writes the document where it finds none, and whose
        actions until then do no harm where there is one after all. An optimistic transaction
        gives it None without asking: if that was wrong the commit raises ``Conflict``, and the
        handling is repeated with what is there.
        """

    def put(self, key: str, document: Document) -> None:
        """Write a document read before; the commit fails if it has changed since.

        Fields that were read and are not given stay as they are: a newer version of this code,
        running beside this one, may have added them. One that is to go is set to None. What is
        unknown inside a field that is given - in a list, say - is its writer's to keep.

        Raises ``LookupError`` for a key that was not read.
        """

    def add(self, key: str, amounts: Mapping[str, object], *, where: Between | None = None) -> None:
        """Add int or Decimal ``amounts`` to fields of a document, created if absent.

        For rows that many write at once: nothing is read, nobody waits for another. With
        ``where`` the commit fails (``Conflict``) if the field is absent or out of bounds.
        """


@dataclass(frozen=True, slots=True)
class Record:
    """What handling an event led to."""

    outcomes: tuple[Encoded, ...]
    repeated: bool = False  # it had been handled before: nothing was written now
    fingerprint: str = ""


class Store(Protocol):
    """A service's documents, and its inbox of what it has handled, by ``Envelope.key``."""

    def recall(self, key: str) -> Record | None:
        """Look up what handling led to, or None if it is not known to have happened."""

    def begin(
        self,
        key: str,
        *,
        guard: Callable[[], None] | None = None,
        fingerprint: str = "",
        optimistic: bool = False,
    ) -> Transaction:
        """Start the transaction that handles ``key``. ``guard`` is called before every use.

        ``optimistic`` saves the reads of what is to be created; see ``Transaction.get``.
        """

    def commit(self, transaction: Transaction, outcomes: Outcomes) -> Record:
        """Write documents, inbox row and outcomes, all or nothing.

        If the inbox row exists (a duplicate, or a reply of ours that got lost), nothing is
        written and the record found is returned, marked as repeated. Raises ``Conflict`` if
        another transaction interfered; then the whole handling has to be repeated.
        """

    def attempts(self, message_id: str) -> AttemptLog:
        """Look up, consistently, what is on record about a message."""

    def record_attempt(self, message_id: str, attempt: Attempt, *, returned: bool) -> AttemptLog:
        """Record an attempt, in the place of an earlier record of the same delivery.

        ``returned`` says that the worker gives the message back and lives on. Returns all that is
        on record, this attempt included.
        """

    def excuse_attempt(self, message_id: str, receive_count: int, *, returned: bool) -> None:
        """Take a delivery's attempt off the record, if there is one; ``returned`` as above."""
