"""The contract of one version of the events: every field, its rules and its meaning.

It is read from the JSON Schemas of the events, flat: one entry per field, so that two versions can
be compared field by field and a change of a recorded contract is one line.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Of
from pydantic.alias_generators import to_camel

from workers.deprecation import DEPRECATION, REWORDED

Schema = Mapping[str, Any]

ENVELOPE: Final = ""  # the path of the whole

# Keywords that hold the fields below a node, and those that only describe. All others are rules.
_BELOW: Final = {"properties", "required", "items", "$ref", "$defs", "$schema"}
_DESCRIBE: Final = {"description", "title", "examples", "deprecated", DEPRECATION, REWORDED}


class ContractError(Exception):
    """A text is not a contract, or none was found."""


class _Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True
    )


class Deprecation(_Model):
    """A removal that was announced; see ``workers/deprecation.py``."""

    since: str
    removed_not_before: date
    instead: str


class Field(_Model):
    """A field on the wire. ``rules`` are keywords of JSON Schema; ``nullable`` is ours."""

    required: bool
    rules: dict[str, Any]
    meaning: str = ""
    reworded: int = 0  # times
    deprecated: Deprecation | None = None


class EventContract(_Model):
    """An event: its fields by path, such as ``data.items[].sku``."""

    meaning: str
    reworded: int = 0  # times
    deprecated: Deprecation | None = None
    fields: dict[str, Field]


class Contract(_Model):
    """Everything that one version of the events promises."""

    version: str = Of(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}$")
    events: dict[str, EventContract]

    @classmethod
    def of(cls, version: str, schemas: Mapping[str, Schema]) -> Self:
        """Read the schemas of a version, by type of event."""
        return cls(version=version, events={name: _event(each) for name, each in schemas.items()})

    @classmethod
    def parse(cls, text: str, place: object) -> Self:
        """Read a text that ``text`` wrote; raises ``ContractError``, which names the place."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise ContractError(f"{place}: not a contract of events: {where}") from None

    @property
    def number(self) -> tuple[int, int]:
        """The version as numbers, for sorting."""
        major, _, minor = self.version.partition(".")
        return int(major), int(minor)

    def text(self) -> str:
        """Return the JSON text, with one line per field."""
        document = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        events = ",\n".join(
            f"    {json.dumps(name)}: {_lines(event)}"
            for name, event in sorted(document["events"].items())
        )
        return f'{{\n  "version": "{self.version}",\n  "events": {{\n{events}\n  }}\n}}\n'


def _lines(event: dict[str, Any]) -> str:
    fields = event.pop("fields")
    told = "".join(f'\n      "{name}": {json.dumps(value)},' for name, value in event.items())
    lines = ",\n".join(
        f"        {json.dumps(path)}: {json.dumps(field, sort_keys=True)}"
        for path, field in sorted(fields.items())
    )
    return f'{{{told}\n      "fields": {{\n{lines}\n      }}\n    }}'


def _event(schema: Schema) -> EventContract:
    data = _resolved(schema["properties"]["data"], schema)
    fields = dict(_field(ENVELOPE, schema, schema, required=True))
    # What is said about the whole is said about the event.
    for path in (ENVELOPE, "data"):
        fields[path] = Field(required=True, rules=fields[path].rules)
    return EventContract(**_told(data | {"description": schema["description"]}), fields=fields)


def _fields(path: str, node: Schema, root: Schema) -> Iterator[tuple[str, Field]]:
    """Yield every field below a node."""
    for name, child in node.get("properties", {}).items():
        inner = f"{path}.{name}" if path else name
        yield from _field(inner, child, root, required=name in node.get("required", ()))
    if "items" in node:
        yield from _field(f"{path}[]", node["items"], root, required=True)


def _field(
    path: str, child: Schema, root: Schema, *, required: bool
) -> Iterator[tuple[str, Field]]:
    node = _resolved(child, root)
    rules = {
        name: _inlined(value, root)
        for name, value in node.items()
        if name not in _BELOW | _DESCRIBE
    }
    if rules.get("default", ...) is None:
        del rules["default"]  # absent and null are the same
    yield path, Field(required=required, rules=rules, **_told(node))
    yield from _fields(path, node, root)


def _told(node: Schema) -> dict[str, Any]:
    return {
        "meaning": " ".join(node.get("description", "").split()),
        "reworded": node.get(REWORDED, 0),
        "deprecated": node.get(DEPRECATION),
    }


def _resolved(node: Schema, root: Schema) -> dict[str, Any]:
    """Follow a reference, and turn ``X or null`` into X; what stands next to them wins."""
    around = {name: value for name, value in node.items() if name not in ("$ref", "anyOf")}
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return _resolved(root["$defs"][name], root) | around
    others = [each for each in node.get("anyOf", ()) if each != {"type": "null"}]
    if len(others) == 1 and len(node["anyOf"]) > 1:
        return _resolved(others[0], root) | around | {"nullable": True}
    return dict(node)


def _inlined(value: Any, root: Schema) -> Any:
    """Replace the references in a rule, such as those of ``prefixItems``."""
    match value:
        case {"$ref": str(name)}:
            return _inlined(root["$defs"][name.rpartition("/")[2]], root)
        case dict():
            return {name: _inlined(inner, root) for name, inner in value.items()}
        case list():
            return [_inlined(inner, root) for inner in value]
    return value
