"""Exports a JSON Schema for each event, the contract, and an AsyncAPI document with its page.

All are generated from the catalogue and the map, so they cannot disagree with the code.
"""

from collections.abc import Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DecimalSchema

from workers.envelope import MAJOR_VERSION, VERSION, Envelope, Event
from workers.events import CATALOGUE
from workers.ops.asyncapi import document
from workers.ops.contracts.contract import Contract
from workers.ops.contracts.page import page
from workers.ops.contracts.released import EXPORTED
from workers.topology import Topology

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI: Final = "asyncapi.json"
PAGE: Final = "index.html"

# The meaning of the envelope's fields. Those of ``data`` have theirs in ``workers/events.py``.
ENVELOPE: Final = {
    "eventId": "Names the event; a repeat has the same one. Unique for its source.",
    "eventType": "The fact, as entity.past-participle.",
    "eventVersion": "The version of this document. Consumers ignore what a newer one added.",
    "source": "The service that published the event.",
    "occurredAt": "The time of the fact, with its offset from UTC.",
    "correlationId": "The event that started the story; all that follow from it have the same.",
    "causationId": "The event that led to this one; none led to the first.",
    "traceparent": "The trace of the order, in the format of W3C Trace Context.",
    "data": "The fact itself.",
}


def export(directory: Path) -> list[Path]:
    """Write all files; return their paths. Raises ``OSError``."""
    directory.mkdir(parents=True, exist_ok=True)
    return [_write(directory / name, content) for name, content in _files()]


def contract(catalogue: Mapping[str, type[Event]] = CATALOGUE, version: str = VERSION) -> Contract:
    """Return the contract of this code."""
    return Contract.of(version, {name: schema_of(event) for name, event in catalogue.items()})


def schema_of(event: type[Event]) -> dict[str, Any]:
    """Return the JSON Schema of an event in its envelope, as it is on the wire."""
    schema = Envelope[event].model_json_schema(schema_generator=_OnTheWire)  # type: ignore[valid-type]  # the catalogue is data, not types
    version = {"type": "string", "pattern": rf"^{MAJOR_VERSION}\.[0-9]{{1,4}}$"}
    told = {"eventType": {"const": event.type}, "eventVersion": version}
    fields = schema["properties"] | told
    return {
        "$schema": DIALECT,
        **schema,
        "title": event.type,
        "description": cleandoc(event.__doc__ or ""),
        "properties": {n: f | {"description": ENVELOPE[n]} for n, f in fields.items()},
        "required": sorted({*schema["required"], *told}),
    }


class _OnTheWire(GenerateJsonSchema):
    """Writes money as a string, and fields without titles."""

    def decimal_schema(self, schema: DecimalSchema) -> JsonSchemaValue:
        digits, places = len(str(int(schema["le"]))), schema["decimal_places"]
        pattern = rf"^[0-9]{{1,{digits}}}(\.[0-9]{{1,{places}}})?$"
        # JSON Schema cannot bound a number in a string: validators ignore these keywords, and
        # ``workers schema diff`` compares them.
        bounds = {f"x-{name}": str(schema[name]) for name in ("ge", "le")}
        return {"type": "string", "pattern": pattern, **bounds}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def _files() -> Iterator[tuple[str, str]]:
    schemas = {event.type: schema_of(event) for event in CATALOGUE.values()}
    for name, schema in schemas.items():
        yield f"{name}.json", _json(schema)
    described = document(Topology.load())
    yield ASYNCAPI, _json(described)
    yield EXPORTED, contract().text()
    yield PAGE, page(described, contract())


def _json(content: dict[str, Any]) -> str:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path
