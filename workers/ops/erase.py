"""Erases a customer from stored rows: the address, the ids, the owner and the customer's own words.

Amounts, items and states stay, so the books of an order agree as before and its money can still be
returned. Only the text that names the customer is replaced; an event keeps every other byte.
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

import orjson

from workers.addresses import ERASED
from workers.aws.errors import translated
from workers.aws.items import to_document
from workers.ops.customer_rows import Row
from workers.runtime.errors import Conflict
from workers.services.order import THE_OWNER, names_in
from workers.services.templates import OWN_REASONS
from workers.signing import Signing

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ERASED_WORDS: Final = "erased"  # in place of the reason that a client gave
_TRIES: Final = 5  # of a row that the services keep changing
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_REPLACED: Final = (
    (re.compile(rf'("customerEmail"\s*:\s*){_STRING}'), rf'\g<1>"{ERASED}"'),
    (re.compile(rf'("(?:customerId|paymentMethod)"\s*:\s*){_STRING}'), r"\g<1>null"),
)
_REASON: Final = re.compile(rf'("reason"\s*:\s*)({_STRING})')
# Only these carry a text of a client.
_WORDED: Final = ("order.cancelled", "order.refunded")


def erase(dynamodb: "DynamoDBClient", row: Row, signing: Signing | None = None) -> bool:
    """Replace what names the customer in a row, sign it again, and tell whether it was done.

    An event that waits in the outbox is left for a later run: it is about to be sent as it is.
    Raises ``Conflict`` if services keep changing the row.
    """
    item = row.item
    for _ in range(_TRIES):
        if item is None or "outboxShard" in item:
            return False
        if _write(dynamodb, Row(row.table, item), signing):
            return True
        with translated("dynamodb"):
            item = dynamodb.get_item(
                TableName=row.table, Key={"pk": item["pk"]}, ConsistentRead=True
            ).get("Item")
    raise Conflict(f"dynamodb: {row.kind} rows keep changing; run it again")


def without_customer(body: str) -> str:
    """Return an encoded event that names no customer; every other byte is as it was."""
    for pattern, replacement in _REPLACED:
        body = pattern.sub(replacement, body)
    if any(f'"{kind}"' in body for kind in _WORDED):
        body = _REASON.sub(_reworded, body)
    return body


def _reworded(found: re.Match[str]) -> str:
    kept = orjson.loads(found[2]) in OWN_REASONS
    return found[0] if kept else f'{found[1]}"{ERASED_WORDS}"'


def _write(dynamodb: "DynamoDBClient", row: Row, signing: Signing | None) -> bool:
    """Write the row unless it has changed; tell whether it was written."""
    update: Any = dynamodb.update_item
    with translated("dynamodb"):
        try:
            update(TableName=row.table, Key={"pk": row.item["pk"]}, **_change(row, signing))
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
    return True


def _change(row: Row, signing: Signing | None) -> dict[str, Any]:
    item = row.item
    bodies = [{"S": _erased(body, signing)} for body in row.bodies]
    match row.kind:
        case "order":
            names = names_in(to_document(item))
            return {
                "UpdateExpression": "SET customerEmail = :email, customerId = :none,"
                " #owner = :none, history = :history ADD version :one",
                "ConditionExpression": "version = :version",
                "ExpressionAttributeNames": {"#owner": "owner"},  # a reserved word
                "ExpressionAttributeValues": {
                    ":email": {"S": ERASED},
                    ":none": {"NULL": True},
                    ":history": {"L": [_entry(each, names) for each in item["history"]["L"]]},
                    ":one": {"N": "1"},
                    ":version": item["version"],
                },
            }
        case "inbox":
            return _swap("outcomes", item["outcomes"], {"L": bodies})
        case _:
            return _swap("body", item["body"], bodies[0])


def _erased(body: str, signing: Signing | None) -> str:
    new = without_customer(body)
    return signing.resigned(body, new) if signing and new != body else new


def _swap(name: str, old: Any, new: Any) -> dict[str, Any]:
    """Return the update of a row that still has ``old``, so that an expired one stays gone."""
    return {
        "UpdateExpression": f"SET {name} = :new",
        "ConditionExpression": f"{name} = :old",
        "ExpressionAttributeValues": {":new": new, ":old": old},
    }


def _entry(entry: Any, names: Collection[str]) -> Any:
    """Return an entry of an order's history without the customer's names and words."""
    fields = dict(entry["M"])
    if fields.get("by", {}).get("S") in names:
        fields["by"] = {"S": THE_OWNER}
    reason = fields.get("reason", {}).get("S")
    worded = fields.get("eventType", {}).get("S") in _WORDED
    if worded and reason and reason not in OWN_REASONS:
        fields["reason"] = {"S": ERASED_WORDS}
    return {"M": fields}
