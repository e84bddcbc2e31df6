"""Erases a customer from stored rows: the address, the ids and what the customer wrote.

Amounts, items and states stay, so the books of an order agree as before and its money can still be
returned. Only the text that names the customer is replaced; an event keeps every other byte.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from workers.addresses import ERASED, readable
from workers.aws.errors import translated
from workers.aws.scans import scan
from workers.runtime.errors import Conflict
from workers.services.templates import OWN_REASONS
from workers.signing import Signing, is_signed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ERASED_WORDS: Final = "erased"  # in place of the reason that a client gave
_TRIES: Final = 5  # of a row that the services keep changing
_MAX_OUTCOMES: Final = 3  # of one handling; no handler has more than two
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_REPLACED: Final = (
    (re.compile(rf'("customerEmail"\s*:\s*){_STRING}'), rf'\g<1>"{ERASED}"'),
    (re.compile(rf'("(?:customerId|paymentMethod)"\s*:\s*){_STRING}'), r"\g<1>null"),
)
_REASON: Final = re.compile(rf'("reason"\s*:\s*)({_STRING})')
# Only these carry a text of a client.
_WORDED: Final = ("order.cancelled", "order.refunded")


@dataclass(frozen=True)
class Customer:
    """The customer to erase: an address, as orders have it, or an id in the shop's records."""

    email: str | None = None
    customer_id: str | None = None

    @property
    def condition(self) -> dict[str, Any]:
        """The filter of a scan for the rows that name the customer."""
        field, forms = "customerId", [str(self.customer_id)]
        if self.email is not None:  # earlier versions stored the domain as it was typed
            field, forms = "customerEmail", sorted({self.email, readable(self.email)})
        texts = ["body", *(f"outcomes[{n}]" for n in range(_MAX_OUTCOMES))]
        terms, values = [], {}
        for number, form in enumerate(forms):
            values[f":value{number}"] = {"S": form}
            values[f":quoted{number}"] = {"S": orjson.dumps({field: form}).decode()[1:-1]}
            terms.append(f"{field} = :value{number}")
            terms += [f"contains({text}, :quoted{number})" for text in texts]
        return {"FilterExpression": " OR ".join(terms), "ExpressionAttributeValues": values}


@dataclass(frozen=True)
class Row:
    """A row that names the customer, as DynamoDB returned it."""

    table: str
    item: Any

    @property
    def key(self) -> str:
        """The key of the row."""
        return str(self.item["pk"]["S"])

    @property
    def kind(self) -> str:
        """What the row is: order, inbox or outbox."""
        return self.key.partition("#")[0]

    @property
    def bodies(self) -> list[str]:
        """The encoded events that the row holds."""
        match self.kind:
            case "order":
                return []
            case "inbox":
                return [body["S"] for body in self.item["outcomes"]["L"]]
            case _:
                return [self.item["body"]["S"]]

    @property
    def signed(self) -> bool:
        """Whether an event of the row needs another signature when its text changes."""
        return any(is_signed(body) for body in self.bodies)

    @property
    def in_progress(self) -> bool:
        """Whether more rows may follow that name the customer."""
        match self.kind:
            case "order":
                return bool(self.item["state"]["S"] == "pending")
            case _:
                return "outboxShard" in self.item


def find(dynamodb: "DynamoDBClient", table: str, customer: Customer) -> Iterator[Row]:
    """Yield the rows of a table that name the customer. Reads the whole table: for a person."""
    request = {"TableName": table, "ConsistentRead": True} | customer.condition
    for page in scan(dynamodb, request):
        for item in page.items:
            yield Row(table, item)


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
            return {
                "UpdateExpression": "SET customerEmail = :email, customerId = :none,"
                " history = :history ADD version :one",
                "ConditionExpression": "version = :version",
                "ExpressionAttributeValues": {
                    ":email": {"S": ERASED},
                    ":none": {"NULL": True},
                    ":history": {"L": [_entry(each) for each in item["history"]["L"]]},
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


def _entry(entry: Any) -> Any:
    """Return an entry of an order's history without the words of a client."""
    fields = entry["M"]
    reason = fields.get("reason", {}).get("S")
    if fields.get("eventType", {}).get("S") not in _WORDED or not reason or reason in OWN_REASONS:
        return entry
    return {"M": fields | {"reason": {"S": ERASED_WORDS}}}
