"""Describes the map as AsyncAPI 3: https://www.asyncapi.com/docs/reference/specification/v3.0.0."""

import json
from collections.abc import Iterable
from inspect import cleandoc
from typing import Any, Final

from workers.deprecation import DEPRECATION
from workers.envelope import VERSION, Encoded, Event
from workers.events import CATALOGUE
from workers.ops.contracts.examples import example_of
from workers.ops.contracts.parties import consumers, owners, producers
from workers.topology import MAX_RECEIVE_COUNT, Service, Topology

DESCRIPTION: Final = (
    "An order pipeline. Every event goes to one SNS topic, which fans it out, filtered by "
    "eventType, to one SQS queue per service. Delivery is at least once and in no order. "
    "A repeat has the same source and eventId."
)
_REGION: Final = {"region": {"default": "eu-west-1", "description": "The AWS region."}}


def document(topology: Topology) -> dict[str, Any]:
    """Describe who sends and receives each event, and through which topic and queues."""
    queues = topology.consumers.items()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Order events", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            protocol: {
                "host": f"{protocol}.{{region}}.amazonaws.com",
                "protocol": protocol,
                "variables": _REGION,
            }
            for protocol in ("sns", "sqs")
        },
        "channels": {topology.topic_name: _topic(topology)}
        | {topology.queue_name(name): _queue(topology, name, service) for name, service in queues},
        "operations": _sending(topology) | _receiving(topology),
        "components": {
            "messages": {event.type: _message(event, topology) for event in CATALOGUE.values()}
        },
    }


def _topic(topology: Topology) -> dict[str, Any]:
    return _channel(
        topology.topic_name,
        "sns",
        "The topic that every event goes through.",
        CATALOGUE,
        {"name": topology.topic_name, "bindingVersion": "1.0.0"},
    )


def _queue(topology: Topology, name: str, service: Service) -> dict[str, Any]:
    redrive = {
        "deadLetterQueue": {"name": topology.dlq_name(name)},
        "maxReceiveCount": MAX_RECEIVE_COUNT,
    }
    queue = {
        "name": topology.queue_name(name),
        "fifoQueue": topology.fifo,
        "visibilityTimeout": service.visibility_timeout,
        "redrivePolicy": redrive,
    }
    types = sorted(service.consumes)
    channel = _channel(
        topology.queue_name(name),
        "sqs",
        f"The events that {name} consumes.",
        types,
        {"queue": queue, "bindingVersion": "0.2.0"},
    )
    return channel | {"x-filter-policy": {"eventType": types}, "x-owner": service.owner}


def _channel(
    name: str, protocol: str, text: str, types: Iterable[str], binding: dict[str, Any]
) -> dict[str, Any]:
    return {
        "address": name,
        "description": text,
        "servers": [_ref("servers", protocol)],
        "messages": {
            event_type: _ref("components", "messages", event_type) for event_type in types
        },
        "bindings": {protocol: binding},
    }


def _sending(topology: Topology) -> dict[str, Any]:
    return {
        f"{name}.send": _operation("send", topology.topic_name, service.publishes, service.owner)
        for name, service in topology.services.items()
        if service.publishes
    }


def _receiving(topology: Topology) -> dict[str, Any]:
    return {
        f"{name}.receive": _operation(
            "receive", topology.queue_name(name), service.consumes, service.owner
        )
        for name, service in topology.consumers.items()
    }


def _operation(action: str, channel: str, types: Iterable[str], owner: str) -> dict[str, Any]:
    return {
        "action": action,
        "x-owner": owner,
        "channel": _ref("channels", channel),
        "messages": [_ref("channels", channel, "messages", name) for name in sorted(types)],
    }


def _message(event: type[Event], topology: Topology) -> dict[str, Any]:
    example = example_of(event, topology)
    publish = producers(topology, event.type)
    attributes = ("eventType", "eventVersion", "source", "eventId", "correlationId")
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": cleandoc(event.__doc__ or ""),
        "x-owner": ", ".join(owners(topology, publish)),
        "x-producers": publish,
        "x-consumers": consumers(topology, event.type),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "description": "Message attributes; the same values as in the envelope.",
            "properties": {name: {"type": "string"} for name in (*attributes, "traceparent")},
            "required": list(attributes),
        },
        "correlationId": {"location": "$message.payload#/correlationId"},
        "payload": {"$ref": f"./{event.type}.json"},
        "examples": [
            {
                "name": event.type,
                "headers": dict(Encoded.of(example).attributes),
                "payload": json.loads(example.encode()),
            }
        ],
        **_deprecation(event),
    }


def _deprecation(event: type[Event]) -> dict[str, Any]:
    """Tag a deprecated event: a message has no keyword for it, unlike a schema."""
    told = event.model_json_schema().get(DEPRECATION)
    if not told:
        return {}
    return {"tags": [{"name": "deprecated"}], DEPRECATION: told}


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}
