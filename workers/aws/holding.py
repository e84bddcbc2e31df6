"""Keeps messages of a dead-letter queue hidden while they wait to be moved."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event as Flag
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, Self

from workers.aws.dead_letters import HIDE_SECONDS, Peeked, hide, release
from workers.runtime.errors import FatalError, PermanentError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_RENEW: Final = HIDE_SECONDS / 3  # s: two renewals may fail


class Hold:
    """Messages that were taken. Hidden until they are dropped, or the block ends."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs, self._url = sqs, url
        self._handles: dict[str, str] = {}
        self._lock = Lock()

    @classmethod
    @contextmanager
    def of(cls, sqs: "SQSClient", url: str, messages: Iterable[Peeked]) -> Iterator[Self]:
        """Hold messages in the block; what is left at its end is visible again at once."""
        hold, stopped = cls(sqs, url), Flag()
        hold.add(messages)
        thread = Thread(target=hold._renew, args=(stopped,), name="hold", daemon=True)
        thread.start()
        try:
            yield hold
        finally:
            stopped.set()
            with suppress(Unavailable, FatalError, PermanentError):  # visible again by themselves
                hold.let_go()

    def add(self, messages: Iterable[Peeked]) -> None:
        """Hold more messages."""
        with self._lock:
            self._handles |= {message.id: message.receipt_handle for message in messages}

    def drop(self, messages: Iterable[Peeked]) -> None:
        """Forget messages that were deleted."""
        with self._lock:
            for message in messages:
                self._handles.pop(message.id, None)

    def let_go(self, messages: Iterable[Peeked] | None = None) -> None:
        """Make messages visible again; by default all."""
        with self._lock:
            ids = list(self._handles) if messages is None else [m.id for m in messages]
            handles = [self._handles.pop(each) for each in ids if each in self._handles]
        release(self._sqs, self._url, handles)

    def _renew(self, stopped: Flag) -> None:
        while not stopped.wait(_RENEW):
            with self._lock:
                handles: Sequence[str] = list(self._handles.values())
            with suppress(Unavailable, FatalError, PermanentError):  # tried again
                hide(self._sqs, self._url, handles, HIDE_SECONDS)
