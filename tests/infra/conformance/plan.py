"""Reads the resources of a plan in JSON.

https://developer.hashicorp.com/terraform/internals/json-format
"""

import re
from dataclasses import dataclass
from itertools import zip_longest

_KEYS = re.compile(r'\["[^"]*"\]|\[\d+\]')  # of for_each and count
KNOWN_LATER = {"Ref": "Unknown"}  # a value that only an apply reveals


@dataclass(frozen=True)
class Resource:
    """A planned resource with the names of the arguments that the configuration sets."""

    address: str
    type: str
    values: dict
    arguments: frozenset


def planned(document):
    """List the managed resources of a plan in JSON."""
    arguments = dict(_arguments(document["configuration"]["root_module"]))
    unknown = {
        each["address"]: each["change"]["after_unknown"] for each in document["resource_changes"]
    }
    return [
        Resource(
            each["address"],
            each["type"],
            _marked(each["values"], unknown[each["address"]]),
            frozenset(arguments[_KEYS.sub("", each["address"])]) | _blocks(each["values"]),
        )
        for each in _resources(document["planned_values"]["root_module"])
    ]


def _marked(values, unknown):
    """Put a mark in the place of each value that the plan does not know."""
    if unknown is True:
        return KNOWN_LATER
    if isinstance(unknown, dict):
        known = values or {}
        return {
            name: _marked(known.get(name), unknown.get(name))
            for name in sorted(known.keys() | {name for name in unknown if unknown[name]})
        }
    if isinstance(unknown, list) and any(unknown):
        return [_marked(*pair) for pair in zip_longest(values or [], unknown)]
    return values


def _resources(module):
    yield from (each for each in module.get("resources", []) if each["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _arguments(module, prefix=""):
    for each in module.get("resources", []):
        yield prefix + each["address"], each.get("expressions", {})
    for name, call in module.get("module_calls", {}).items():
        yield from _arguments(call["module"], f"{prefix}module.{name}.")


def _blocks(values):
    """Name the blocks and the tags: a plan does not list dynamic blocks as configured."""
    blocks = {
        name
        for name, value in values.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    return blocks | ({"tags_all"} & values.keys())
