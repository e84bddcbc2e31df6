"""What a map must not do, each rule in one sentence.

terraform/rules.tf says the same sentences to those who deploy; a test keeps both in step.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

DAY: Final = 86_400  # s

# A queue must hide a message at least this long (s), or its renewals could come too late.
MIN_VISIBILITY_TIMEOUT: Final = 30
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
MAX_VISIBILITY_TIMEOUT: Final = 43_200
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
MIN_RETENTION: Final = 60  # s
MAX_RETENTION: Final = 14 * DAY

# Roles are named after services and have 64 characters, of which a prefix takes 20.
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MAP_FIELDS: Final = frozenset({"topic", "events", "tables", "services"})
_FIELDS: Final = frozenset(
    {"consumes", "publishes", "table", "visibility_timeout", "max_attempts", "concurrency"}
    | {"retention", "dlq_retention", "sends_email"}
)

Map: TypeAlias = Mapping[str, Any]
# Each gives the sentence if its rule is broken, and "" if not.
MapRule: TypeAlias = Callable[[Map], str]
ServiceRule: TypeAlias = Callable[[str, Map, Map], str]  # name, service, map


def broken_rules(document: object) -> list[str]:
    """List every rule that a map breaks, the service in front."""
    if not isinstance(document, dict):
        return ["the map must be an object"]
    said = [rule(document) for rule in MAP_RULES.values()]
    for name, service in sorted(_object(document.get("services")).items()):
        if isinstance(service, dict):
            found = [rule(name, service, document) for rule in SERVICE_RULES.values()]
        else:
            found = ["must be an object"]
        said += [f"{name}: {sentence}" for sentence in found if sentence]
    return [sentence for sentence in said if sentence]


def _map_fields(document: Map) -> str:
    if document.keys() == _MAP_FIELDS:
        return ""
    return "the map has topic, events, tables and services, and nothing else"


def _topic(document: Map) -> str:
    topic = document.get("topic")
    if isinstance(topic, str) and _TOPIC.fullmatch(topic):
        return ""
    return "topic must be 1 to 100 letters, digits, hyphens and underscores"


def _events(document: Map) -> str:
    events: Any = document.get("events")
    if _are_texts(events) and len(set(events)) == len(events):
        return ""
    return "events must be a list of event types, each once"


def _tables(document: Map) -> str:
    tables = document.get("tables")
    if isinstance(tables, dict) and all(
        isinstance(table, dict) and table.keys() == {"outbox"} and isinstance(table["outbox"], bool)
        for table in tables.values()
    ):
        return ""
    return "tables must be an object; each says outbox, true or false, and nothing else"


def _services(document: Map) -> str:
    return "" if isinstance(document.get("services"), dict) else "services must be an object"


def _name(name: str, _service: Map, _document: Map) -> str:
    if _NAME.fullmatch(name):
        return ""
    return "a name is 1 to 32 lower-case letters, digits and hyphens, a letter first"


def _fields(_name: str, service: Map, _document: Map) -> str:
    unknown = service.keys() - _FIELDS
    return f"unknown field {', '.join(sorted(unknown))}" if unknown else ""


def _lists(_name: str, service: Map, _document: Map) -> str:
    if _are_texts(service.get("consumes")) and _are_texts(service.get("publishes")):
        return ""
    return "consumes and publishes must be lists of event types"


def _known(_name: str, service: Map, document: Map) -> str:
    used = _texts(service.get("consumes")) | _texts(service.get("publishes"))
    unknown = used - _texts(document.get("events"))
    return f"unknown event {', '.join(sorted(unknown))}" if unknown else ""


def _published(_name: str, service: Map, document: Map) -> str:
    services = _object(document.get("services")).values()
    published = {event for each in services for event in _texts(_object(each).get("publishes"))}
    orphans = _texts(service.get("consumes")) - published
    return f"nobody publishes {', '.join(sorted(orphans))}" if orphans else ""


def _table(_name: str, service: Map, document: Map) -> str:
    table = service.get("table")
    if isinstance(table, str) and table in _object(document.get("tables")):
        return ""
    return f"table {_said(table)} is not in tables"


def _whole(field: str, low: int, high: int) -> ServiceRule:
    def rule(_name: str, service: Map, _document: Map) -> str:
        value = service.get(field, low)
        if _is_whole(value) and low <= value <= high:
            return ""
        return f"{field} is {_said(value)}, must be a whole number from {low} to {high}"

    return rule


def _dlq_longer(_name: str, service: Map, _document: Map) -> str:
    kept, dead = service.get("retention", 4 * DAY), service.get("dlq_retention", 14 * DAY)
    if not (_is_whole(kept) and _is_whole(dead)) or kept < dead:
        return ""
    return f"dlq_retention ({_said(dead)} s) must be longer than retention ({_said(kept)} s)"


def _sends_email(_name: str, service: Map, _document: Map) -> str:
    value = service.get("sends_email", False)
    return "" if isinstance(value, bool) else f"sends_email is {_said(value)}, not true or false"


MAP_RULES: Final[Mapping[str, MapRule]] = {
    "fields of the map": _map_fields,
    "topic": _topic,
    "events": _events,
    "tables": _tables,
    "services": _services,
}
SERVICE_RULES: Final[Mapping[str, ServiceRule]] = {
    "name": _name,
    "fields": _fields,
    "lists": _lists,
    "known": _known,
    "published": _published,
    "table": _table,
    "visibility_timeout": _whole(
        "visibility_timeout", MIN_VISIBILITY_TIMEOUT, MAX_VISIBILITY_TIMEOUT
    ),
    "max_attempts": _whole("max_attempts", 1, 100),
    "concurrency": _whole("concurrency", 1, 200),
    "retention": _whole("retention", MIN_RETENTION, MAX_RETENTION),
    "dlq_retention": _whole("dlq_retention", MIN_RETENTION, MAX_RETENTION),
    # A message's clock goes on in the dead-letter queue that SQS moves it to:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    "dlq longer": _dlq_longer,
    "sends_email": _sends_email,
}


def _said(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _texts(value: Any) -> frozenset[str]:
    return frozenset(value) if _are_texts(value) else frozenset()


def _object(value: Any) -> Map:
    return value if isinstance(value, dict) else {}
