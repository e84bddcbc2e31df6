"""Corrects moto's SQS: lost sends, slow wake-ups, dropped attributes.

Each function restores one behaviour of AWS, which its docstring names.
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

from local.aws.patch import Method, wrap
from local.aws.services import fifo
from local.aws.services.backlog import Backlog, now_ms

# moto treats a message as visible once the clock is past the millisecond it was hidden until.
_PAST_THE_MILLISECOND: Final = 0.002  # s
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
_LONGEST: Final = 43_200  # s that a message can be hidden in total
_HANDLE: Final = 184  # characters of a receipt handle


def correct_sqs() -> None:
    """Apply every correction of this module, before the first queue exists."""
    _keep_messages_in_a_backlog()
    _wait_for_messages()
    _wake_polls_on_visibility_change()
    _speed_up_small_steps()
    _return_the_redrive_allow_policy()
    _keep_the_policy_on_updates()
    _compute_attributes_on_demand()
    fifo.correct_fifo_queues()


def _keep_messages_in_a_backlog() -> None:
    """Keep an accepted message until it is deleted, at a cost independent of the queue length.

    moto scans all messages of a queue on every operation, and rebuilds the list on every delete,
    which drops messages sent at that moment.
    """
    one_at_a_time = RLock()

    @wrap(Queue, "__init__")
    def create(original: Method, queue: Queue, *args: object, **named: object) -> None:
        original(queue, *args, **named)
        queue._messages_lock = Condition(one_at_a_time)
        _empty(queue)

    def delete(queue: Queue, receipt_handle: str) -> None:
        with queue._messages_lock:
            message = _backlog(queue).find(receipt_handle)
            if message is not None:
                fifo.refuse_expired(queue, message, receipt_handle)
                _backlog(queue).remove(message)
                queue.pending_messages.discard(message)
                queue.deleted_messages.update(filter(None, message.all_receipt_handles))
                queue._messages_lock.notify_all()
            elif receipt_handle not in queue.deleted_messages:
                raise ReceiptHandleIsInvalid

    @wrap(SQSBackend, "purge_queue")
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
    """Answer a poll as soon as a message is visible, or empty when its wait time is over.

    A message also becomes visible when its timeout or delay ends. moto checks once a second
    instead.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
    """

    @wrap(SQSBackend, "receive_message")
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
                fifo.forget_expired(queue)
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


def _wake_polls_on_visibility_change() -> None:
    """Pass a message whose visibility timeout is set to zero to a waiting poll at once.

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
            fifo.refuse_expired(queue, message, receipt_handle)
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


def _speed_up_small_steps() -> None:
    """Replace slow helpers that moto calls several times per message."""
    vars(models)["unix_time_millis"] = now_ms
    vars(models)["unix_time"] = time.time
    # moto draws 185 letters one by one.
    vars(models)["generate_receipt_handle"] = lambda: secrets.token_hex(_HANDLE // 2)

    def is_kept(backend: SQSBackend, queue_name: str, message: Message) -> bool:
        """Read only the retention period; moto computes all attributes, counts included."""
        retention: int = getattr(backend.get_queue(queue_name), "message_retention_period")  # noqa: B009 - moto sets it by name
        return cast("int", message.sent_timestamp) / 1000 + retention > time.time()

    def pending_groups(queue: Queue) -> set[str]:
        """Return the groups of messages in flight; groups matter for FIFO queues only."""
        pending = queue._pending_messages if queue.fifo_queue else ()
        return {message.group_id for message in pending if message.group_id is not None}

    setattr(SQSBackend, "is_message_valid_based_on_retention_period", is_kept)  # noqa: B010 - as the others
    setattr(Queue, "pending_message_groups", property(pending_groups))  # noqa: B010 - as the others
    # moto copies a received message to filter its attributes. A shallow copy is enough.
    setattr(Message, "__deepcopy__", lambda message, _memo: copy(message))  # noqa: B010 - as the others


def _return_the_redrive_allow_policy() -> None:
    """Return RedriveAllowPolicy from GetQueueAttributes; moto only stores it."""
    setattr(Queue, "redrive_allow_policy", None)  # noqa: B010 - moto declares no such attribute
    Queue.BASE_ATTRIBUTES = [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"]


def _keep_the_policy_on_updates() -> None:
    """Keep the policy when SetQueueAttributes does not name it."""

    @wrap(Queue, "_set_attributes")
    def set_attributes(
        original: Method, queue: Queue, attributes: dict[str, object], now: float | None = None
    ) -> None:
        if "Policy" not in attributes:
            attributes = {**attributes, "Policy": queue.policy}
        original(queue, attributes, now)


def _compute_attributes_on_demand() -> None:
    """Compute each attribute of a queue when it is read; moto computes all of them each time.

    RedrivePolicy is returned without the spaces that moto adds, because Terraform compares text.
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
