"""The ports: interfaces of the runtime to the outside world. ``workers.aws`` implements them.

Every call to an adapter has a timeout. Adapters raise only ``Unavailable`` (the dependency does
not answer, throttles or fails), ``FatalError`` (queue missing, access denied), ``PermanentError``
(rejected for good) and the errors that a method names; never an error of an SDK.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from workers.envelope import Encoded
from workers.glimpse import Glimpse

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
    # Of a redriven message: the attributes that it got as a dead letter (``dead_letter.py``).
    attributes: Mapping[str, str] = field(default_factory=dict)
    group: str = ""  # of a FIFO queue: its messages are handled in order, one at a time


# Characters of each text in a dead letter: short enough to read in a console.
MAX_REASON: Final = 1_000


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason for dead-lettering a message; travels with it as attributes."""

    reason: str  # for a person; no customer data
    type: str  # low cardinality: "malformed", "permanent", "TimeoutError"
    attempts: int  # of this message; a redriven one starts again
    trail: str = ""  # ``AttemptLog.trail``
    stack: str = ""  # ``stack.Stack.hash``
    key: str = ""  # of the record of its failed attempts; see ``Store.record_failure``


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery of a message that counts against it."""

    receive_count: int
    at: str  # ISO 8601, UTC
    worker: str
    error: str = ""  # "type: text"; empty if the worker died first


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """The recorded attempts at a message, by its SQS message id."""

    attempts: tuple[Attempt, ...] = ()  # by receive count
    returned: int = 0  # the receive count of the last delivery that a worker itself gave back

    def trail(self) -> str:
        """Describe the attempts to a person, in one line."""
        return "; ".join(
            f"receive {a.receive_count} at {a.at} on {a.worker}: {a.error or 'no end on record'}"
            for a in self.attempts
        )


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """One delivery that failed, as the record of failures keeps it."""

    message_id: str
    receive_count: int
    at: str  # ISO 8601, UTC
    type: str  # as ``Failure.type``
    reason: str  # no customer data
    outcome: Literal["retried", "dead_lettered", "returned"]  # returned: it came back by itself
    attempt: int = 0  # the number of the attempt, from 1; 0 if it did not count
    stack: str = ""  # ``stack.Stack.hash``; empty without a stack
    frame: str = ""  # "module:function" of the innermost call in our code
    worker: str = ""
    version: str = ""  # of the worker


@dataclass(frozen=True, slots=True)
class FailureLog:
    """The failed attempts at one event, over all its redrives."""

    key: str
    about: Glimpse = field(default_factory=Glimpse)
    first_at: str = ""  # ISO 8601, UTC
    recorded: int = 0  # ever; of many, the row keeps the first and the newest
    attempts: tuple[FailedAttempt, ...] = ()  # in order


@dataclass(frozen=True, slots=True)
class Handling:
    """Where and when an event was handled: stored with its inbox row, for an operator."""

    message_id: str
    receive_count: int
    sent_at: float  # epoch seconds
    started_at: float  # epoch seconds; the start of the try that was committed
    worker: str
    version: str


class Queue(Protocol):
    """A queue and its dead-letter queue.

    ``receive``, ``delete`` and ``change_visibility`` raise nothing but ``Unavailable`` and
    ``FatalError``, whatever the answer was: another error would end a thread of the receive loop.
    """

    @property
    def name(self) -> str:
        """The queue's name, as in the AWS console."""

    @property
    def visibility_timeout(self) -> int:
        """For how long (s) ``receive`` hides what it returns."""

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
        """Publish all, unchanged, in batches; return position -> error of those not accepted.

        An error is ``Unavailable`` (try again) or ``PermanentError`` (will never be accepted).
        An event may be delivered twice, under the same event id.
        """


class Payloads(Protocol):
    """The bucket of bodies that are too large for a message. Objects expire; nothing deletes them.

    No error is the fault of a message: methods raise only ``Unavailable`` of the dependency "s3",
    and ``FatalError`` if access is denied or the bucket does not exist.
    """

    @property
    def bucket(self) -> str:
        """The bucket's name."""

    def put(self, key: str, body: bytes) -> None:
        """Store a body. A repeat stores the same bytes again."""

    def get(self, key: str, limit: int) -> bytes | None:
        """Read a body; None if it has more than ``limit`` bytes, which are then not read.

        Raises ``Missing`` if there is no such object.
        """


@dataclass(frozen=True, slots=True)
class Between:
    """A condition: ``field`` is in [low, high] before the change; None is no bound."""

    field: str
    low: int | None = None
    high: int | None = None
    also: "Between | None" = None  # holds for another field of the same document


class Transaction(Protocol):
    """The documents that one handler reads and writes: all are committed, or none.

    One write per key, except that ``add`` adds up. Any method raises ``LeaseLost`` once another
    worker may own the message.
    """

    def get(self, key: str, *, creating: bool = False) -> Document | None:
        """Read a document, consistently.

        ``creating`` is for a handler that creates the document if it is absent, and does nothing
        before the commit that would be wrong if the document existed. An optimistic transaction
        then returns None without reading. If the document exists, the commit raises ``Conflict``
        and the handling is repeated with the document.
        """

    def put(self, key: str, document: Document) -> None:
        """Write a document read before; the commit fails if it has changed since.

        A field that was read and is not in ``document`` stays as it is: a newer version of this
        code, running at the same time, may have added it. To remove a field, set it to None.
        Unknown fields inside a value, such as a list, are not kept: the caller has to copy them.

        Raises ``LookupError`` for a key that was not read.
        """

    def add(self, key: str, amounts: Mapping[str, object], *, where: Between | None = None) -> None:
        """Add int or Decimal ``amounts`` to fields of a document, created if absent.

        For rows with many writers: reads nothing, and no writer waits for another. With ``where``
        the commit fails (``Conflict``) if the field is absent or out of bounds. Without it, a
        second ``add`` to the same document is added to the first: DynamoDB takes one write per item
        and transaction.
        """


@dataclass(frozen=True, slots=True)
class Record:
    """The result of handling an event."""

    outcomes: tuple[Encoded, ...]
    repeated: bool = False  # handled before: nothing was written this time
    fingerprint: str = ""


class Store(Protocol):
    """A service's documents, and its inbox of handled events, by ``Envelope.key``."""

    def recall(self, key: str) -> Record | None:
        """Look up the result of handling; None if there is none on record."""

    def begin(
        self,
        key: str,
        *,
        guard: Callable[[], None] | None = None,
        fingerprint: str = "",
        optimistic: bool = False,
        handling: Handling | None = None,
    ) -> Transaction:
        """Start the transaction that handles ``key``. ``guard`` is called before every use.

        ``optimistic`` skips reads of documents to be created; see ``Transaction.get``.
        ``handling`` is stored with the inbox row.
        """

    def commit(self, transaction: Transaction, outcomes: Outcomes) -> Record:
        """Write documents, inbox row and outcomes, all or nothing.

        If the inbox row exists (a duplicate, or an earlier commit whose reply was lost), writes
        nothing and returns the existing record, marked as repeated. Raises ``Conflict`` if another
        transaction interfered; the handling then has to be repeated.
        """

    def begin_together(
        self,
        handlings: Mapping[str, Handling],
        *,
        guard: Callable[[], None],
        optimistic: bool = False,
    ) -> Transaction:
        """Start the transaction that handles several events, given by key; see ``begin``."""

    def commit_together(self, transaction: Transaction) -> frozenset[str]:
        """Write the documents and an inbox row without outcomes for each key, all or nothing.

        Returns the keys that have an inbox row already: if there are any, nothing was written, and
        the others have to be handled again without them. Raises as ``commit``.
        """

    def attempts(self, message_id: str) -> AttemptLog:
        """Read the recorded attempts at a message, consistently."""

    def record_attempt(self, message_id: str, attempt: Attempt, *, returned: bool) -> AttemptLog:
        """Record an attempt; replaces an earlier record of the same delivery.

        ``returned`` says that the worker gives the message back and lives on. Returns all recorded
        attempts, this one included.
        """

    def excuse_attempt(self, message_id: str, receive_count: int, *, returned: bool) -> None:
        """Remove a delivery's attempt from the record, if it exists; ``returned`` as above."""

    def record_failure(
        self, key: str, about: Glimpse, attempt: FailedAttempt, *, found: bool = False
    ) -> None:
        """Record a failed attempt at the event ``key``; replaces one of the same delivery.

        ``found`` says that another worker found out: it never replaces a record. ``key`` is
        ``Envelope.key``, or ``message#`` and the SQS message id of the first delivery if the body
        has no readable one.
        """

    def failures(self, key: str) -> FailureLog:
        """Read the failed attempts at an event, consistently."""
