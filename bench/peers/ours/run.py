"""This project's receive loop around a service, a store and a topic that do nothing.

The peers have neither store nor topic. All else is what runs in production.
"""

import time

import worker
from handler import begin

from workers.events import OrderCreated
from workers.runtime.handler import handles
from workers.runtime.ports import Attempt, AttemptLog, Outcomes, Record, Transaction


class Work:
    """Works as long as the order says."""

    @handles
    def work(self, order: OrderCreated, _: Transaction) -> None:
        """Work."""
        seconds = begin(order.order_id)
        if seconds:
            time.sleep(seconds)


class NoStore:
    """Knows no message and keeps no effect."""

    def recall(self, _key: str) -> None:
        """Know nothing."""

    def begin(self, _key: str, **_: object) -> None:
        """Start nothing: the service does not touch its transaction."""

    def commit(self, _transaction: None, outcomes: Outcomes) -> Record:
        """Keep nothing."""
        return Record(tuple(outcomes))

    def attempts(self, _message_id: str) -> AttemptLog:
        """Know of none."""
        return AttemptLog()

    def record_attempt(self, _message_id: str, attempt: Attempt, **_: bool) -> AttemptLog:
        """Record nothing."""
        return AttemptLog((attempt,))

    def excuse_attempt(self, _message_id: str, _receive_count: int, **_: bool) -> None:
        """Record nothing."""


class NoTopic:
    """Takes everything."""

    def publish(self, _envelopes: Outcomes) -> dict[int, Exception]:
        """Accept."""
        return {}


worker.run(Work(), store=NoStore(), topic=NoTopic())
