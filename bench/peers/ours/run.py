"""This project's receive loop with a service, a store and a topic that do nothing.

The peers have neither store nor topic. Everything else is the code of production.
"""

import time

import worker
from handler import begin

from workers.events import OrderCreated
from workers.runtime.handler import handles
from workers.runtime.ports import Attempt, AttemptLog, Outcomes, Record, Transaction


class Work:
    """Work for the time that the order states."""

    @handles
    def work(self, order: OrderCreated, _: Transaction) -> None:
        """Work."""
        seconds = begin(order.order_id)
        if seconds:
            time.sleep(seconds)


class NoStore:
    """Stores nothing."""

    def recall(self, _key: str) -> None:
        """Return None: nothing is stored."""

    def begin(self, _key: str, **_: object) -> None:
        """Return None: the service does not use its transaction."""

    def commit(self, _transaction: None, outcomes: Outcomes) -> Record:
        """Store nothing."""
        return Record(tuple(outcomes))

    def attempts(self, _message_id: str) -> AttemptLog:
        """Return an empty log."""
        return AttemptLog()

    def record_attempt(self, _message_id: str, attempt: Attempt, **_: bool) -> AttemptLog:
        """Record nothing."""
        return AttemptLog((attempt,))

    def excuse_attempt(self, _message_id: str, _receive_count: int, **_: bool) -> None:
        """Record nothing."""


class NoTopic:
    """Accepts everything and delivers nothing."""

    def publish(self, _envelopes: Outcomes) -> dict[int, Exception]:
        """Accept."""
        return {}


worker.run(Work(), store=NoStore(), topic=NoTopic())
