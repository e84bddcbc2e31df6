"""Failures: every failed attempt at an event, for an operator who asks why."""

from typing import TYPE_CHECKING

from workers.aws import failure_rows
from workers.runtime.ports import FailedAttempt, FailureLog

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["FailedAttempt", "FailureLog", "failures_of"]


def failures_of(dynamodb: "DynamoDBClient", table: str, key: str) -> FailureLog:
    """Read the failed attempts at an event from a service's table.

    ``key`` is ``<source>#<event id>``, or ``message#<SQS id of the first delivery>`` for a body
    that cannot be read; a dead letter has it as ``failure.key``. Attempts are kept for 30 days. A
    log without attempts means that none is on record. Raises the errors of ``runtime.ports``.
    """
    return failure_rows.read(dynamodb, table, key)
