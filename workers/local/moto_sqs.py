"""Where moto's SQS behaves unlike SQS: lost sends, slow wake-ups, forgotten attributes.

Every function restores one behaviour of AWS, which its docstring names.
"""
# ruff: noqa: SLF001 - a patch reaches into what it patches

import json
import time
from collections.abc import Iterator
from threading import Condition, RLock

from moto.core.utils import unix_time_millis
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import Message, Queue, SQSBackend

from workers.local.patch import Method, around

# moto calls a message visible once the clock is past the millisecond it was hidden until.
_PAST_THE_MILLISECOND = 0.002


def correct_sqs() -> None:
    """Apply every correction of this module, before the first queue exists."""
    _lose_no_message()
    _wait_for_messages()
    _wake_polls_when_a_message_is_released()
    _return_the_redrive_allow_policy()
    _keep_the_policy()
    _return_the_redrive_policy_as_it_was_set()


def _lose_no_message() -> None:
    """Keep an accepted message until it is deleted, whatever other clients do meanwhile.

    moto rebuilds a queue's list on every delete and drops what was sent at that moment.
    """
    one_at_a_time = RLock()

    @around(Queue, "__init__")
    def create(original: Method, queue: Queue, *args: object, **named: object) -> None:
        original(queue, *args, **named)
        queue._messages_lock = Condition(one_at_a_time)

    @around(Queue, "delete_message")
    def delete(original: Method, queue: Queue, receipt_handle: str) -> None:
        with queue._messages_lock:
            original(queue, receipt_handle)
            queue._messages_lock.notify_all()

    @around(SQSBackend, "purge_queue")
    def purge(original: Method, backend: SQSBackend, queue_name: str) -> None:
        with one_at_a_time:
            original(backend, queue_name)


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
                queue._messages_lock.wait(min(remaining, *_until_visible(queue)))
                if backend.queues.get(queue_name) is not queue:
                    raise QueueDoesNotExist


def _until_visible(queue: Queue) -> Iterator[float]:
    now = unix_time_millis()
    yield float("inf")
    for message in queue._messages:
        hidden_until = max(message.visible_at, message.delayed_until)
        if hidden_until >= now:
            yield (hidden_until - now) / 1000 + _PAST_THE_MILLISECOND


def _wake_polls_when_a_message_is_released() -> None:
    """Give a message whose visibility timeout is set to zero to a waiting poll at once.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
    """

    @around(SQSBackend, "change_message_visibility")
    def change(original: Method, backend: SQSBackend, queue_name: str, **named: object) -> None:
        queue = backend.get_queue(queue_name)
        with queue._messages_lock:
            original(backend, queue_name, **named)
            queue._messages_lock.notify_all()


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


def _return_the_redrive_policy_as_it_was_set() -> None:
    """Return RedrivePolicy without the spaces that moto adds: Terraform compares the text."""
    attributes = Queue.attributes

    def compact(queue: Queue) -> dict[str, object]:
        found: dict[str, object] = attributes.fget(queue)  # type: ignore[attr-defined]
        if policy := queue.redrive_policy:
            found["RedrivePolicy"] = json.dumps(policy, separators=(",", ":"))
        return found

    setattr(Queue, "attributes", property(compact))  # noqa: B010 - read-only in moto
