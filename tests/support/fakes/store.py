"""A service's table, in memory: the conditions of DynamoDB without DynamoDB."""

from collections import Counter
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from numbers import Number

from support.fakes.clock import FakeClock
from support.fakes.faults import Faults
from workers.aws.failure_rows import MAX_KEPT, in_order
from workers.aws.outbox_rows import shard_of
from workers.envelope import Encoded
from workers.runtime.errors import Conflict, InProgress, PermanentError
from workers.runtime.ports import AttemptLog, FailureLog, Record

META = {"pk", "version", "expires", "outboxShard", "outboxOrder"}
MAX_WRITES = 100
MAX_ITEM_BYTES = 400 * 1024
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_DIGITS = 38


@dataclass(frozen=True)
class Versioned:
    version: int
    document: dict


@dataclass(frozen=True)
class Waiting:
    """An outbox row that is still to be published; ``event`` is None if it is unreadable."""

    event: Encoded | None
    shard: int
    since: datetime


class FakeStore(Faults):
    """The port ``Store``. With ``outbox``, outcomes wait in ``waiting``; see ``FakeOutbox``."""

    def __init__(self, *, outbox=False, clock=None):
        super().__init__()
        self.clock = clock or FakeClock()
        self.records = {}  # inbox: key -> Record
        self.attempt_logs = {}  # SQS message id -> AttemptLog
        self.failure_logs = {}  # Envelope.key or message#... -> FailureLog
        self.handlings = {}  # inbox: key -> Handling
        self.waiting = {}  # outbox: event id -> Waiting
        self._outbox = outbox
        self._rows = {}
        self._contended = Counter()  # keys written by a transaction in progress

    @property
    def lock(self):
        """The lock, for a ``FakeOutbox`` of the same table."""
        return self._lock

    @property
    def documents(self):
        """A copy of the stored documents."""
        with self._lock:
            return {key: deepcopy(row.document) for key, row in self._rows.items()}

    def seed(self, key, document):
        """Store a document, like an earlier transaction."""
        with self._lock:
            version = self._rows[key].version if key in self._rows else 0
            self._rows[key] = Versioned(version + 1, _checked(document))

    def recall(self, key):
        with self._call("recall"):
            record = self.records.get(key)
            return record and replace(record, repeated=True)

    def begin(self, key, *, guard=None, fingerprint="", optimistic=False, handling=None):
        return FakeTransaction(self, key, guard, fingerprint, optimistic, handling=handling)

    def begin_together(self, handlings, *, guard, optimistic=False):
        return FakeTransaction(self, tuple(handlings), guard, "", optimistic, handling=handlings)

    def commit(self, transaction, outcomes):
        transaction.check()
        with self._call("commit"):
            self._check_contention(transaction)
            return self._commit(transaction, outcomes)

    def commit_together(self, transaction):
        transaction.check()
        with self._call("commit"):
            if known := self.records.keys() & transaction.key:
                return frozenset(known)
            for key in transaction.key:
                self._check_contention(transaction, key)
            transaction.check_created()
            if len(transaction.key) + len(transaction.writes) > MAX_WRITES:
                raise PermanentError("too many writes in one transaction")
            changed = self._changed(transaction)
            _check_size([row.document for row in changed.values()], (), self._outbox)
            self._rows |= changed
            self.records |= {key: Record(()) for key in transaction.key}
            self.handlings |= transaction.handling
            return frozenset()

    @contextmanager
    def committing(self, transaction):
        """Keep a transaction of another process in progress until the end of the block.

        Meanwhile DynamoDB refuses other writes to its items (TransactionConflict):
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
        """
        keys = {_inbox_key(transaction), *transaction.writes}
        self._contended.update(keys)
        try:
            yield
        finally:
            self._contended.subtract(keys)
            with self._lock:
                self._commit(transaction, ())

    def _commit(self, transaction, outcomes):
        transaction.check_created()
        count = 1 + len(transaction.writes) + (len(outcomes) if self._outbox else 0)
        if count > MAX_WRITES:
            raise PermanentError(f"{count} writes in one transaction")
        if transaction.key in self.records:
            return replace(self.records[transaction.key], repeated=True)
        changed = self._changed(transaction)
        _check_size([row.document for row in changed.values()], outcomes, self._outbox)
        self._rows |= changed
        record = Record(tuple(outcomes), fingerprint=transaction.fingerprint)
        self.records[transaction.key] = record
        self.handlings[transaction.key] = transaction.handling
        if self._outbox:
            self.waiting |= {
                event.event_id: Waiting(event, shard_of(event), self.clock.now())
                for event in outcomes
            }
        return record

    def _changed(self, transaction):
        return {key: write(self._rows.get(key)) for key, write in transaction.writes.items()}

    def _check_contention(self, transaction, key=None):
        key = key or transaction.key
        if key in self.records:
            return  # DynamoDB checks this first
        if self._contended[f"inbox#{key}"]:
            raise InProgress(f"{key} is being handled")
        if any(self._contended[key] for key in transaction.writes):
            raise Conflict("another transaction is at it")

    def attempts(self, message_id):
        with self._call("attempts"):
            return self.attempt_logs.get(message_id, AttemptLog())

    def record_attempt(self, message_id, attempt, *, returned):
        with self._call("record_attempt"):
            return self._record(message_id, attempt.receive_count, (attempt,), returned)

    def excuse_attempt(self, message_id, receive_count, *, returned):
        with self._call("excuse_attempt"):
            self._record(message_id, receive_count, (), returned)

    def _record(self, message_id, receive_count, attempt, returned):
        known = self.attempt_logs.get(message_id, AttemptLog())
        others = tuple(a for a in known.attempts if a.receive_count != receive_count)
        self.attempt_logs[message_id] = AttemptLog(
            tuple(sorted(others + attempt, key=lambda a: a.receive_count)),
            receive_count if returned else known.returned,
        )
        return self.attempt_logs[message_id]

    def record_failure(self, key, about, attempt, *, found=False):
        with self._call("record_failure"):
            log = self.failure_logs.get(key) or FailureLog(key, about, attempt.at)
            delivery = (attempt.message_id, attempt.receive_count)
            known = [a for a in log.attempts if (a.message_id, a.receive_count) == delivery]
            attempt = known[0] if known and found else attempt
            others = [a for a in log.attempts if (a.message_id, a.receive_count) != delivery]
            if len(others) >= MAX_KEPT:
                others = others[:1] + others[2 - MAX_KEPT // 2 :]
            self.failure_logs[key] = replace(
                log,
                recorded=log.recorded + 1,
                attempts=in_order([*others, attempt]),
            )

    def failures(self, key):
        with self._call("failures"):
            return self.failure_logs.get(key, FailureLog(key))

    def read(self, key):
        """Read for a transaction: a document with its version."""
        with self._call("get"):
            return deepcopy(self._rows.get(key))


class FakeTransaction:
    """The port ``Transaction``; ``FakeStore`` makes and commits it."""

    def __init__(self, store, key, guard, fingerprint, optimistic, *, handling=None):
        self.key = key
        self.handling = handling
        self.fingerprint = fingerprint
        self.writes = {}  # key -> function from the row found to the row written
        self._sums = set()
        self._store = store
        self._guard = guard
        self._optimistic = optimistic
        self._read = {}
        self._assumed = set()

    def get(self, key, *, creating=False):
        self.check()
        if key not in self._read and creating and self._optimistic:
            self._assumed.add(key)
            self._read[key] = None
        elif key not in self._read:
            self._read[key] = self._store.read(key)
        row = self._read[key]
        return deepcopy(row.document) if row else None

    def put(self, key, document):
        self.check()
        if key not in self._read:
            raise LookupError(f"{key} was not read in this transaction")
        read = self._read[key]
        kept = deepcopy(read.document) if read else {}
        self._stage(key, _put(key, read, kept | _checked(document)))

    def add(self, key, amounts, *, where=None):
        self.check()
        amounts = _checked(dict(amounts))
        if where is None and key in self._sums:
            before, after = self.writes.pop(key), _add(key, amounts, None)
            self.writes[key] = lambda found: replace(
                after(before(found)), version=(found.version if found else 0) + 1
            )
            return
        self._stage(key, _add(key, amounts, where))
        if where is None:
            self._sums.add(key)

    def check(self):
        if self._guard is not None:
            self._guard()

    def check_created(self):
        if forgotten := self._assumed - self.writes.keys():
            raise LookupError(f"{forgotten} was to be created")

    def _stage(self, key, write):
        if key in self.writes:
            raise PermanentError(f"{key} is written twice in one transaction")
        self.writes[key] = write


def _inbox_key(transaction):
    return f"inbox#{transaction.key}"


def _check_size(documents, outcomes, outbox):
    bodies = [event.body for event in outcomes]
    total = sum(len(repr(document).encode()) for document in documents)
    total += sum(len(body.encode()) for body in bodies) * (2 if outbox else 1)
    if total > MAX_TRANSACTION_BYTES:
        raise PermanentError("transaction too large")


def _put(key, read, document):
    def write(found):
        if (found and found.version) != (read and read.version):
            raise Conflict(f"{key} has changed")
        return Versioned((found.version if found else 0) + 1, document)

    return write


def _add(key, amounts, where):
    def write(found):
        document = deepcopy(found.document) if found else {}
        condition = where
        while condition is not None:
            if not _within(document.get(condition.field), condition):
                raise Conflict(f"{key}: {condition.field} is out of bounds")
            condition = condition.also
        for field, amount in amounts.items():
            value = document.get(field, 0)
            if not _is_number(value) or not _is_number(amount):
                raise PermanentError(f"{key}: {field} is not a number")
            document[field] = _plain(value + amount)
        return Versioned((found.version if found else 0) + 1, document)

    return write


def _within(value, where):
    return (
        _is_number(value)
        and (where.low is None or value >= where.low)
        and (where.high is None or value <= where.high)
    )


def _checked(document):
    """Return a copy of a value that DynamoDB can store; refuse others."""
    if reserved := META & document.keys():
        raise PermanentError(f"reserved field {reserved}")
    if len(repr(document).encode()) > MAX_ITEM_BYTES:
        raise PermanentError("item too large")
    return _plain(document)


def _plain(value):
    match value:
        case float():
            raise PermanentError("a float is not a value for a document")
        case bool() | str() | None:
            return value
        case int() | Decimal():
            digits = "".join(map(str, Decimal(value).as_tuple().digits))
            if len(digits.rstrip("0")) > MAX_DIGITS:
                raise PermanentError("a number of more than 38 digits")
            return int(value) if value == int(value) else value
        case list() | tuple():
            return [_plain(element) for element in value]
        case dict():
            return {key: _plain(element) for key, element in value.items()}
        case _:
            raise PermanentError(f"{type(value).__name__} is not a value for a document")


def _is_number(value):
    return isinstance(value, Number) and not isinstance(value, bool)
