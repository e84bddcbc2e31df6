"""Encodes messages as a receive returns them, with the attributes that it asks for."""

from collections.abc import Collection

import orjson

from bench.standin.queue import Stored


def encode(message: Stored, wanted: set[str], named: Collection[str]) -> bytes:
    """Return a message with its ``wanted`` system attributes and its ``named`` ones."""
    attributes = {
        "ApproximateReceiveCount": f"{message.receives}",
        "ApproximateFirstReceiveTimestamp": f"{message.first_received_at * 1000:.0f}",
        "SenderId": "AIDAEXAMPLE",
        "SentTimestamp": f"{message.sent_at * 1000:.0f}",
    }
    if message.group:
        attributes["MessageGroupId"] = message.group
    if "All" not in wanted:
        attributes = {name: value for name, value in attributes.items() if name in wanted}
    tail = b',"Attributes":' + orjson.dumps(attributes) if attributes else b""
    if message.attributes and named:
        shown = {
            name: value for name, value in message.attributes.items() if _is_named(name, named)
        }
        tail += b',"MessageAttributes":' + orjson.dumps(shown) if shown else b""
    handle = message.handle.encode()
    return b"{" + message.encoded + b',"ReceiptHandle":"' + handle + b'"' + tail + b"}"


def _is_named(name: str, named: Collection[str]) -> bool:
    """Return whether a name, a prefix such as ``failure.*``, or All asks for an attribute."""
    return any(
        each in {"All", ".*", name} or (each.endswith(".*") and name.startswith(each[:-1]))
        for each in named
    )
