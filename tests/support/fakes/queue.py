"""An SQS queue, standard or FIFO, with its dead-letter queue, in memory and on a virtual clock."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random

from support.fakes.clock import FakeClock
from support.fakes.faults import Faults
from workers.limits import MAX_VISIBILITY_TIMEOUT
from workers.runtime.dead_letter import attributes_of
from workers.runtime.errors import PermanentError
from workers.runtime.ports import Failure, Message

MAX_BATCH = 10
DEDUPLICATION = 300  # s


@dataclass(frozen=True)
class DeadLettered:
    """A message in the dead-letter queue; without ``failure`` if SQS itself moved it."""

    message: Message
    failure: Failure | None
    attributes: dict = field(default_factory=dict)


@dataclass
class Stored:
    id: str
    body: str
    sent_at: float
    visible_at: float
    receive_count: int = 0
    received_at: float = 0.0
    handle: str = ""
    attributes: dict = field(default_factory=dict)
    group: str = ""


class FakeQueue(Faults):
    """The port ``Queue``.

    The handle of an earlier delivery is stale: as on AWS, delete and change_visibility succeed
    without effect. After ``max_receives`` the message moves to ``dead_letters``. ``receive``
    returns at once, unless ``blocking``: then it waits in real time for a message or for
    ``interrupt``.

    With ``fifo`` it keeps the order of each group: while a message of it is in flight, a receive
    returns no other. A delete with the handle of an expired delivery fails.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
    """

    def __init__(
        self,
        name="payment-queue",
        *,
        clock=None,
        visibility_timeout=60,
        max_receives=None,
        blocking=False,
        fifo=False,
    ):
        super().__init__()
        self.name = name
        self.dead_letters = []
        self.extensions = []  # (message id, seconds) of each change that took effect
        self._clock = clock or FakeClock()
        self.visibility_timeout = visibility_timeout
        self._max_receives = max_receives
        self._blocking = blocking
        self._fifo = fifo
        self._sent = {}  # (group, deduplication id) -> (message id, time)
        self._interrupted = False
        self._numbers = count(1)
        self._messages = {}
        self._deleted = {}
        self._deliveries = count(1)
        self._handles = {}  # every handle ever given out -> message id
        self._failed_entries = defaultdict(deque)
        self._shuffle = None
        self._short = deque()
        self._doubled = 0

    # Methods for tests.

    def send(self, body, *, delay=0.0, attributes=None, group="", deduplication_id=None):
        """Add a message and return its id; that of the first if it repeats one in a FIFO queue."""
        with self._lock:
            now = self._clock()
            known, at = self._sent.get((group, deduplication_id), (None, 0.0))
            if deduplication_id is not None and known is not None and now - at < DEDUPLICATION:
                return known
            message_id = f"message-{next(self._numbers)}"
            self._messages[message_id] = Stored(
                message_id, body, now, now + delay, attributes=attributes or {}, group=group
            )
            self._sent[group, deduplication_id] = message_id, now
            self._lock.notify_all()
            return message_id

    def redeliver(self, message_id):
        """Make a message that is in flight or deleted visible again.

        SQS does so when a server with a copy was unavailable during the request:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html
        """
        with self._lock:
            if message_id not in self._messages:
                self._messages[message_id] = self._deleted.pop(message_id)
            self._messages[message_id].visible_at = self._clock()
            self._lock.notify_all()

    def unordered(self, seed):
        """Return messages in random order from here on, like a standard queue."""
        self._shuffle = Random(seed).shuffle  # noqa: S311 - a test that repeats

    def shorten(self, limit, *, times=1):
        """Let the next receives return at most ``limit`` messages, even if there are more.

        SQS samples only some of its servers:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
        """
        with self._lock:
            self._short.extend([limit] * times)

    def repeat(self, *, times=1):
        """Let the next receives with room for it return their first message twice.

        Each copy has its own handle. Both have the same receive count, which is approximate.
        """
        with self._lock:
            self._doubled += times

    def received_before(self, message_id, times):
        """Set the receive count, as if workers had died before they recorded an attempt."""
        with self._lock:
            self._messages[message_id].receive_count = times

    def redrive(self):
        """Move everything back from the dead-letter queue: new messages with their attributes."""
        with self._lock:
            dead, self.dead_letters[:] = list(self.dead_letters), []
            return [
                self.send(x.message.body, attributes=x.attributes, group=x.message.group)
                for x in dead
            ]

    def fail_entries(self, method, codes):
        """Let entries of the next call fail, given as position -> error code."""
        with self._lock:
            self._failed_entries[method].append(dict(codes))

    def interrupt(self):
        """End all blocking receives, present and future."""
        with self._lock:
            self._interrupted = True
            self._lock.notify_all()

    @property
    def visible(self):
        with self._lock:
            return sum(m.visible_at <= self._clock() for m in self._messages.values())

    @property
    def deliverable(self):
        """The number of messages that a receive could return: none behind one in flight."""
        with self._lock:
            return len(self._deliverable())

    @property
    def in_flight(self):
        with self._lock:
            return sum(m.visible_at > self._clock() for m in self._messages.values())

    @property
    def message_ids(self):
        """The ids of all messages in the queue, in flight or not."""
        with self._lock:
            return set(self._messages)

    def __len__(self):
        return len(self._messages)

    # The port.

    def receive(self, limit, wait):
        _check_batch(range(limit))
        with self._call("receive"):
            if self._blocking:
                self._lock.wait_for(lambda: self._interrupted or self.visible, timeout=wait)
            due = self._due()
            if self._shuffle is not None:
                self._shuffle(due)
            found = due[: min(limit, self._short.popleft() if self._short else limit)]
            batch = [self._deliver(message) for message in found]
            if self._doubled and 0 < len(batch) < limit:
                self._doubled -= 1
                batch.append(self._copy(found[0]))
            return batch

    def delete(self, handles):
        return self._each("delete", handles, handles, self._delete)

    def change_visibility(self, changes):
        handles = [handle for handle, _ in changes]
        return self._each("change_visibility", changes, handles, self._change)

    def dead_letter(self, message, failure):
        with self._call("dead_letter"):
            at = datetime.fromtimestamp(self._clock(), UTC).isoformat()
            attributes = attributes_of(message, failure, at)
            self.dead_letters.append(DeadLettered(message, failure, attributes))

    def _due(self):
        now = self._clock()
        due = [message for message in self._messages.values() if message.visible_at <= now]
        for message in due:
            if self._max_receives is not None and message.receive_count >= self._max_receives:
                del self._messages[message.id]
                self.dead_letters.append(DeadLettered(_delivery(message), None))
        return self._deliverable()

    def _deliverable(self):
        now = self._clock()
        blocked = {m.group for m in self._messages.values() if self._fifo and m.visible_at > now}
        return [
            m for m in self._messages.values() if m.visible_at <= now and m.group not in blocked
        ]

    def _deliver(self, message):
        now = self._clock()
        message.receive_count += 1
        message.received_at = now
        message.visible_at = now + self.visibility_timeout
        return self._copy(message)

    def _copy(self, message):
        message.handle = f"{message.id}/{next(self._deliveries)}"
        self._handles[message.handle] = message.id
        return _delivery(message)

    def _each(self, method, entries, handles, act):
        if not entries:
            return {}
        _check_batch(entries)
        with self._call(method):
            failed = self._failed_entries[method]
            codes = failed.popleft() if failed else {}
            for position, entry in enumerate(entries):
                if position in codes:
                    continue
                code = act(entry) if handles[position] in self._handles else _UNKNOWN
                if code:
                    codes[position] = code
            return codes

    def _delete(self, handle):
        message = self._messages.get(self._handles[handle])
        if message is None:
            return None
        if self._fifo and (message.handle != handle or message.visible_at <= self._clock()):
            return "InvalidParameterValue"  # the receipt handle has expired
        if message.handle == handle:
            self._deleted[message.id] = self._messages.pop(message.id)
        return None

    def _change(self, change):
        handle, seconds = change
        message = self._messages.get(self._handles[handle])
        now = self._clock()
        if message is None:
            return "InvalidParameterValue"
        if message.handle != handle or message.visible_at <= now:
            return None  # stale or expired: AWS accepts it and does nothing
        seconds = min(MAX_VISIBILITY_TIMEOUT, max(0, seconds))
        if now + seconds > message.received_at + MAX_VISIBILITY_TIMEOUT:
            return "InvalidParameterValue"  # the limit of 12 hours counts from the receive
        message.visible_at = now + seconds
        self.extensions.append((message.id, seconds))
        self._lock.notify_all()
        return None


_UNKNOWN = "ReceiptHandleIsInvalid"


def _delivery(message):
    return Message(
        id=message.id,
        body=message.body,
        receipt_handle=message.handle,
        receive_count=message.receive_count,
        sent_at=message.sent_at,
        attributes=message.attributes,
        group=message.group,
    )


def _check_batch(entries):
    if not 1 <= len(entries) <= MAX_BATCH:
        raise PermanentError(f"sqs: {len(entries)} entries")
