"""Exports a JSON Schema for each event, and an AsyncAPI document of the system.

Both are generated from the catalogue and the map, so they cannot disagree with the code.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DecimalSchema

from workers.envelope import MAJOR_VERSION, Envelope, Event
from workers.events import CATALOGUE
from workers.ops.asyncapi import document
from workers.topology import Topology

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI: Final = "asyncapi.json"


def export(directory: Path) -> list[Path]:
    """Write every schema and ``asyncapi.json``; return the paths. Raises ``OSError``."""
    directory.mkdir(parents=True, exist_ok=True)
    return [_write(directory / name, content) for name, content in _files()]


def schema_of(event: type[Event]) -> dict[str, Any]:
    """Return the JSON Schema of an event in its envelope, as it is on the wire."""
    schema = Envelope[event].model_json_schema(schema_generator=_OnTheWire)  # type: ignore[valid-type]  # the catalogue is data, not types
    version = {"type": "string", "pattern": rf"^{MAJOR_VERSION}\.[0-9]{{1,4}}$"}
    told = {"eventType": {"const": event.type}, "eventVersion": version}
    return {
        "$schema": DIALECT,
        **schema,
        "title": event.type,
        "description": event.__doc__,
        "properties": schema["properties"] | told,
        "required": sorted({*schema["required"], *told}),
    }


class _OnTheWire(GenerateJsonSchema):
    """Writes money as a string, and fields without titles."""

    def decimal_schema(self, schema: DecimalSchema) -> JsonSchemaValue:
        digits, places = len(str(int(schema["le"]))), schema["decimal_places"]
        pattern = rf"^[0-9]{{1,{digits}}}(\.[0-9]{{1,{places}}})?$"
        return {"type": "string", "pattern": pattern}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def _files() -> Iterator[tuple[str, dict[str, Any]]]:
    for event in CATALOGUE.values():
        yield f"{event.type}.json", schema_of(event)
    yield ASYNCAPI, document(Topology.load())


def _write(path: Path, content: dict[str, Any]) -> Path:
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    return path
