"""The fault modes, and the operations that each can affect."""

from collections.abc import Mapping
from functools import cache
from typing import Final

import botocore.session

SERVICES: Final = ("dynamodb", "ses", "sns", "sqs")

EVERYTHING: Final = frozenset({"*"})
# Mode -> operations that it can affect.
MODES: Final[Mapping[str, frozenset[str]]] = {
    "conflict": frozenset(
        f"dynamodb.{operation}"
        for operation in (
            "DeleteItem",
            "PutItem",
            "TransactGetItems",
            "TransactWriteItems",
            "UpdateItem",
        )
    ),
    "delay": EVERYTHING,
    "drop_after": EVERYTHING,
    "drop_before": EVERYTHING,
    "duplicate": frozenset({"sns.Publish", "sns.PublishBatch", "sqs.ReceiveMessage"}),
    "error": EVERYTHING,
    "expired": EVERYTHING,
    "partial": frozenset(
        {
            "sns.PublishBatch",
            "sqs.ChangeMessageVisibilityBatch",
            "sqs.DeleteMessageBatch",
            "sqs.SendMessageBatch",
        }
    ),
    "stale": frozenset({"dynamodb.Query"}),
    "throttle": EVERYTHING,
}


@cache
def operations(service: str) -> list[str]:
    """List the operations of a service as the SDK knows them."""
    return sorted(botocore.session.get_session().get_service_model(service).operation_names)
