"""Masks personal data in the body of a message, by the types of the fields in ``events.py``.

A field is shown if the catalogue knows its name and no event uses it for personal data. Every other
field is masked, so a field of a newer version is too. A body that is not JSON has no fields: only
what looks like an email address is masked.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, get_args

from pydantic import BaseModel

from workers.envelope import Envelope
from workers.events import CATALOGUE, PERSONAL
from workers.runtime.observability.logs import redact

MASK: Final = "***"
_WRAPPER: Final = frozenset({"Type", "Message", "MessageId", "TopicArn", "Timestamp"})  # of SNS


def masked(body: str) -> str:
    """Return a body for display, as indented JSON if it is JSON, without personal data."""
    fields = parsed(body)
    if fields is None:
        return redact(body.replace("\\u0040", "@"))
    return indented(_mask(fields, ""))


def parsed(body: str) -> Any:
    """Return the JSON value in a body; None if there is none, or if it cannot be shown."""
    try:
        value = json.loads(body)
        json.dumps(value).encode()
    except (ValueError, RecursionError):
        return None
    return value


def indented(value: Any) -> str:
    """Write a JSON value for display; unusual characters stay escaped."""
    return json.dumps(value, indent=2)


def masked_value(path: str, value: Any) -> Any:
    """Return the value of a field such as ``data.items.0.sku`` for display."""
    names = [name for name in path.split(".") if not name.isdigit()]
    return _mask(value, names[-1] if names else "")


def _mask(value: Any, name: str) -> Any:
    match value:
        case dict():
            return {redact(key): _mask(inner, key) for key, inner in value.items()}
        case list():
            return [_mask(inner, name) for inner in value]
        case str() if name == "Message" and isinstance(parsed(value), dict):
            return _mask(parsed(value), "")
        case _ if name not in _shown() | _WRAPPER:
            return MASK
    return redact(value) if isinstance(value, str) else value


@cache
def _shown() -> frozenset[str]:
    """Return the names of fields that no event uses for personal data."""
    models: list[type[BaseModel]] = [Envelope, *CATALOGUE.values()]
    fields = {pair for model in models for pair in _fields(model)}
    return frozenset({name for name, _ in fields}) - {name for name, hidden in fields if hidden}


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    """Yield the name of each field on the wire, and whether it is personal."""
    for field in model.model_fields.values():
        annotations = [*field.metadata, *_parts(field.annotation)]
        yield field.alias or "", PERSONAL in annotations
        for part in annotations:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _fields(part)


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)
