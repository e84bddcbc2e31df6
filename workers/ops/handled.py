"""Asks a service's inbox which events it has handled."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from workers.aws.batch_get import batch_get

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_INBOX: Final = "inbox#"


def handled(
    dynamodb: "DynamoDBClient", table: str, keys: Iterable[str], *, scope: str = ""
) -> set[str]:
    """Return those of ``keys`` (``Envelope.key``) whose inbox row exists. Reads consistently.

    ``scope`` is that of the generation in use (``aws/generations.py``); only analytics has one.
    """
    rows = batch_get(dynamodb, [(table, f"{_INBOX}{scope}{key}") for key in keys])
    return {row.removeprefix(f"{_INBOX}{scope}") for _, row in rows}
