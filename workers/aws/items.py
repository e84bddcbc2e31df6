"""Converts documents to DynamoDB items and back."""

from collections.abc import Mapping
from decimal import Decimal, DecimalException
from typing import Any, Final

from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer, TypeSerializer

from workers.runtime.errors import PermanentError
from workers.runtime.ports import Document

# Attributes that the table uses itself; documents must not have them.
META: Final = frozenset({"pk", "version", "expires", "outboxShard", "outboxOrder"})


_SERIALIZER: Final = TypeSerializer()


def to_item(document: Mapping[str, object]) -> dict[str, Any]:
    """Return the wire form.

    Raises ``PermanentError`` for values that DynamoDB cannot store: floats, and numbers of more
    than 38 digits.
    """
    try:
        return {field: _wire(value) for field, value in document.items()}
    except (TypeError, DecimalException) as error:
        raise PermanentError(f"dynamodb: a document cannot hold this value: {error!r}") from error


def to_document(item: Mapping[str, Any]) -> Document:
    """Parse the wire form, without the table's own attributes. Whole numbers become int."""
    deserializer = TypeDeserializer()
    return {
        field: _plain(deserializer.deserialize(value))
        for field, value in item.items()
        if field not in META
    }


def added(amounts: Mapping[str, object], more: Mapping[str, object]) -> dict[str, object]:
    """Add up numbers by field, exactly, as DynamoDB's ``ADD`` would one after the other.

    Raises ``PermanentError`` for a value that is no number, and for a sum of more than 38 digits.
    """
    return dict(amounts) | {
        field: _sum(amounts[field], amount) if field in amounts else amount
        for field, amount in more.items()
    }


def check_fields(fields: Mapping[str, object]) -> None:
    """Raise ``PermanentError`` if a document uses a name reserved for the table's attributes."""
    if reserved := META & fields.keys():
        raise PermanentError(f"dynamodb: reserved field names: {', '.join(sorted(reserved))}")


def _sum(one: object, other: object) -> object:
    match one, other:
        case (bool(), _) | (_, bool()):
            pass
        case int(), int():
            return one + other
        case ((int() | Decimal()), (int() | Decimal())):
            try:
                return DYNAMODB_CONTEXT.add(one, other)
            except DecimalException as error:
                raise PermanentError(f"dynamodb: a sum is not exact: {error!r}") from error
    raise PermanentError(f"dynamodb: cannot add {type(other).__name__} to {type(one).__name__}")


def _wire(value: object) -> Any:
    """Return the wire form of a value. The SDK tries three other types before it finds a text."""
    if type(value) is str:
        return {"S": value}
    if type(value) is dict:
        return {"M": {name: _wire(part) for name, part in value.items()}}
    if type(value) is list:
        return {"L": [_wire(part) for part in value]}
    return _SERIALIZER.serialize(value)


def _plain(value: Any) -> object:
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else value
        case list():
            return [_plain(element) for element in value]
        case dict():
            return {key: _plain(element) for key, element in value.items()}
        case _:
            return value
