"""Where moto's SQS behaves unlike SQS: lost sends, slow wake-ups, forgotten attributes.

Every function restores one behaviour of AWS, which its docstring names.
"""
# ruff: noqa: SLF001 - a patch reaches into what it patches

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from copy import copy
from functools import lru_cache
from threading import Condition, RLock
from typing import Final, cast

from moto.core.utils import camelcase_to_underscores
from moto.sqs import models
from moto.sqs.exceptions import InvalidParameterValue, QueueDoesNotExist, ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

from local.aws.patch import Method, around
from local.aws.services.backlog import Backlog, now_ms

# moto calls a message visible once the clock is past the millisecond it was hidden until.
_PAST_THE_MILLISECOND: Final = 0.002  # s
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
_LONGEST: Final = 43_200  # s that a message can be hidden in all
_HANDLE: Final = 184  # characters of a receipt handle


def correct_sqs() -> None:
    """Apply every correction of this module, before the first queue exists."""
    _keep_messages_in_a_backlog()
    _wait_for_messages()
    _change_visibility_at_once()
    _be_quick_about_small_things()
    _return_the_redrive_allow_policy()
    _keep_the_policy()
    _work_out_attributes_when_they_are_asked_for()


def _keep_messages_in_a_backlog() -> None:
    """Keep an accepted message until it is deleted, at a cost that does not grow with the queue.

    moto looks at every message of a queue on every step, and rebuilds their list on every delete:
    it drops what was sent at that moment.
    """
    one_at_a_time = RLock()

    @around(Queue, "__init__")
    def create(original: Method, queue: Queue, *args: object, **named: object) -> None:
        original(queue, *args, **named)
        queue._messages_lock = Condition(one_at_a_time)
        _empty(queue)

    def delete(queue: Queue, receipt_handle: str) -> None:
        with queue._messages_lock:
            message = _backlog(queue).find(receipt_handle)
            if message is not None:
                _backlog(queue).remove(message)
                queue.pending_messages.discard(message)
                queue.deleted_messages.update(filter(None, message.all_receipt_handles))
                queue._messages_lock.notify_all()
            elif receipt_handle not in queue.deleted_messages:
                raise ReceiptHandleIsInvalid

    @around(SQSBackend, "purge_queue")
    def purge(original: Method, backend: SQSBackend, queue_name: str) -> None:
        with one_at_a_time:
            original(backend, queue_name)
            _empty(backend.get_queue(queue_name))

    def count(position: int) -> property:
        def read(queue: Queue) -> int:
            with queue._messages_lock:
                return _backlog(queue).counts()[position]

        return property(read)

    for name, member in {
        "delete_message": delete,
        "messages": property(lambda queue: _backlog(queue).visible()),
        "approximate_number_of_messages": count(0),
        "approximate_number_of_messages_delayed": count(1),
        "approximate_number_of_messages_not_visible": count(2),
    }.items():
        setattr(Queue, name, member)


def _backlog(queue: Queue) -> Backlog:
    return cast("Backlog", queue._messages)


def _empty(queue: Queue) -> None:
    queue._messages = cast("list[Message]", Backlog())


def _wait_for_messages() -> None:
    """Answer a poll once a message is visible, or empty when its wait is over.

    A message also becomes visible by itself: when its timeout or delay ends. moto looks again
    every second instead.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
    """

    @around(SQSBackend, "receive_message")
    def receive(
        original: Method,
        backend: SQSBackend,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        *rest: object,
    ) -> list[Message]:
        queue = backend.get_queue(queue_name)
        deadline = time.monotonic() + wait_seconds_timeout
        with queue._messages_lock:
            while True:
                messages: list[Message] = original(backend, queue_name, count, 0, *rest)
                remaining = deadline - time.monotonic()
                if messages or remaining <= 0:
                    return messages
                queue._messages_lock.wait(min(remaining, _until_visible(queue)))
                if backend.queues.get(queue_name) is not queue:
                    raise QueueDoesNotExist


def _until_visible(queue: Queue) -> float:
    at = _backlog(queue).next_visible()
    return float("inf") if at is None else (at - now_ms()) / 1000 + _PAST_THE_MILLISECOND


def _change_visibility_at_once() -> None:
    """Give a message whose visibility timeout is set to zero to a waiting poll at once.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
    """

    def change(
        backend: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int
    ) -> None:
        queue = backend.get_queue(queue_name)
        with queue._messages_lock:
            message = _backlog(queue).find(receipt_handle)
            if message is None:
                raise ReceiptHandleIsInvalid
            if (
                time.time() + visibility_timeout
                > cast("int", message.sent_timestamp) / 1000 + _LONGEST
            ):
                raise InvalidParameterValue(
                    f"Value {visibility_timeout} for parameter VisibilityTimeout is invalid. "
                    "Reason: Total VisibilityTimeout for the message is beyond the limit "
                    f"[{_LONGEST} seconds]"
                )
            message.change_visibility(visibility_timeout)
            _backlog(queue).refile(message)
            if message.visible:
                queue.pending_messages.discard(message)
            queue._messages_lock.notify_all()

    setattr(SQSBackend, "change_message_visibility", change)  # noqa: B010 - as the others


def _be_quick_about_small_things() -> None:
    """Do at once what moto goes a long way about, several times for each message."""
    vars(models)["unix_time_millis"] = now_ms
    vars(models)["unix_time"] = time.time
    # moto draws 185 letters one by one.
    vars(models)["generate_receipt_handle"] = lambda: secrets.token_hex(_HANDLE // 2)

    def is_kept(backend: SQSBackend, queue_name: str, message: Message) -> bool:
        """Compare with the one attribute; moto works out all, counts included."""
        retention: int = getattr(backend.get_queue(queue_name), "message_retention_period")  # noqa: B009 - moto sets it by name
        return cast("int", message.sent_timestamp) / 1000 + retention > time.time()

    def pending_groups(queue: Queue) -> set[str]:
        """Give the groups of messages in flight; only FIFO queues have groups that matter."""
        pending = queue._pending_messages if queue.fifo_queue else ()
        return {message.group_id for message in pending if message.group_id is not None}

    setattr(SQSBackend, "is_message_valid_based_on_retention_period", is_kept)  # noqa: B010 - as the others
    setattr(Queue, "pending_message_groups", property(pending_groups))  # noqa: B010 - as the others
    # A received message is a copy, so that its attributes can be filtered: no part is changed.
    setattr(Message, "__deepcopy__", lambda message, _memo: copy(message))  # noqa: B010 - as the others


def _return_the_redrive_allow_policy() -> None:
    """Return RedriveAllowPolicy from GetQueueAttributes once it was set. moto only stores it."""
    setattr(Queue, "redrive_allow_policy", None)  # noqa: B010 - moto declares no such attribute
    Queue.BASE_ATTRIBUTES = [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"]


def _keep_the_policy() -> None:
    """Let SetQueueAttributes change what it names; without Policy in it, the policy stays."""

    @around(Queue, "_set_attributes")
    def set_attributes(
        original: Method, queue: Queue, attributes: dict[str, object], now: float | None = None
    ) -> None:
        if "Policy" not in attributes:
            attributes = {**attributes, "Policy": queue.policy}
        original(queue, attributes, now)


def _work_out_attributes_when_they_are_asked_for() -> None:
    """Work out each attribute of a queue when it is asked for; moto does all of them, for each.

    RedrivePolicy comes without the spaces that moto adds: Terraform compares the text.
    """
    setattr(Queue, "attributes", property(_Attributes))  # noqa: B010 - read-only in moto


_snake = lru_cache(maxsize=64)(camelcase_to_underscores)


class _Attributes(Mapping[str, object]):
    """The attributes of a queue, as GetQueueAttributes returns them."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._names = [*Queue.BASE_ATTRIBUTES]
        if queue.fifo_queue:
            self._names += Queue.FIFO_ATTRIBUTES
        if queue.kms_master_key_id:  # type: ignore[attr-defined] # moto sets it by name
            self._names += Queue.KMS_ATTRIBUTES

    def __getitem__(self, name: str) -> object:
        if name not in self._names:
            raise KeyError(name)
        value = getattr(self._queue, _snake(name))
        if name == "RedrivePolicy" and value:
            return json.dumps(value, separators=(",", ":"))
        return str(value).lower() if isinstance(value, bool) else value

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
