"""The rules that ``topology.json`` must follow, each with its error message.

terraform/rules.tf repeats only those whose violation AWS would accept. It uses the same messages.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from workers.limits import MAX_VISIBILITY_TIMEOUT

DAY: Final = 86_400  # s

# A queue must hide a message at least this long (s), or its renewals could come too late.
MIN_VISIBILITY_TIMEOUT: Final = 30
MAX_CONCURRENCY: Final = 200  # handlers of one task, each a thread
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
MIN_RETENTION: Final = 60  # s
MAX_RETENTION: Final = 14 * DAY

# IAM role names contain the service name. They have at most 64 characters: 20 for the prefix, 32
# for the service, the rest for the role's suffix.
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MAP_FIELDS: Final = frozenset({"topic", "events", "tables", "services"})
_OPTIONAL: Final = frozenset({"fifo"})
_FIELDS: Final = frozenset(
    {"consumes", "publishes", "table", "visibility_timeout", "max_attempts", "concurrency"}
    | {"owner", "retention", "dlq_retention", "sends_email"}
)

Map: TypeAlias = Mapping[str, Any]
# A rule returns its error message, or "" if the map follows it.
MapRule: TypeAlias = Callable[[Map], str]
ServiceRule: TypeAlias = Callable[[str, Map, Map], str]  # name, service, map


def broken_rules(document: object) -> list[str]:
    """Check a parsed map and return one message per broken rule, prefixed with the service."""
    if not isinstance(document, dict):
        return ["the map must be an object"]
    messages = [rule(document) for rule in MAP_RULES.values()]
    for name, service in sorted(_object(document.get("services")).items()):
        if isinstance(service, dict):
            found = [rule(name, service, document) for rule in SERVICE_RULES.values()]
        else:
            found = ["must be an object"]
        messages += [f"{name}: {message}" for message in found if message]
    return [message for message in messages if message]


def _map_fields(document: Map) -> str:
    if document.keys() - _OPTIONAL == _MAP_FIELDS:
        return ""
    return "the map must have the fields topic, events, tables and services, and no others but fifo"


def _topic(document: Map) -> str:
    topic = document.get("topic")
    if isinstance(topic, str) and _TOPIC.fullmatch(topic):
        return ""
    return "topic must be 1 to 100 letters, digits, hyphens and underscores"


def _fifo(document: Map) -> str:
    value = document.get("fifo", False)
    return "" if isinstance(value, bool) else f"fifo is {_json(value)}, not true or false"


def _events(document: Map) -> str:
    events: Any = document.get("events")
    if _are_strings(events) and len(set(events)) == len(events):
        return ""
    return "events must be a list of event types without duplicates"


def _tables(document: Map) -> str:
    tables = document.get("tables")
    if isinstance(tables, dict) and all(
        isinstance(table, dict) and table.keys() == {"outbox"} and isinstance(table["outbox"], bool)
        for table in tables.values()
    ):
        return ""
    return "tables must be an object; each table has the field outbox, true or false, and no others"


def _services(document: Map) -> str:
    return "" if isinstance(document.get("services"), dict) else "services must be an object"


def _name(name: str, _service: Map, _document: Map) -> str:
    if _NAME.fullmatch(name):
        return ""
    return "the name must be 1 to 32 lower-case letters, digits and hyphens, starting with a letter"


def _missing(_name: str, service: Map, _document: Map) -> str:
    missing = _FIELDS - service.keys()
    return f"missing field {', '.join(sorted(missing))}" if missing else ""


def _unknown(_name: str, service: Map, _document: Map) -> str:
    unknown = service.keys() - _FIELDS
    return f"unknown field {', '.join(sorted(unknown))}" if unknown else ""


def _owner(_name: str, service: Map, _document: Map) -> str:
    owner = service.get("owner", "nobody")
    if isinstance(owner, str) and _NAME.fullmatch(owner):
        return ""
    return (
        f"owner is {_json(owner)}, must be 1 to 32 lower-case letters, digits and hyphens, "
        "starting with a letter"
    )


def _lists(_name: str, service: Map, _document: Map) -> str:
    if _are_strings(service.get("consumes", [])) and _are_strings(service.get("publishes", [])):
        return ""
    return "consumes and publishes must be lists of event types"


def _known(_name: str, service: Map, document: Map) -> str:
    used = _strings(service.get("consumes")) | _strings(service.get("publishes"))
    unknown = used - _strings(document.get("events"))
    return f"unknown event {', '.join(sorted(unknown))}" if unknown else ""


def _published(_name: str, service: Map, document: Map) -> str:
    services = _object(document.get("services")).values()
    published = {event for each in services for event in _strings(_object(each).get("publishes"))}
    orphans = _strings(service.get("consumes")) - published
    return f"no service publishes {', '.join(sorted(orphans))}" if orphans else ""


def _table(_name: str, service: Map, document: Map) -> str:
    if "table" not in service:
        return ""
    table = service["table"]
    if isinstance(table, str) and table in _object(document.get("tables")):
        return ""
    return f"table {_json(table)} is not in tables"


def _whole(field: str, low: int, high: int) -> ServiceRule:
    def rule(_name: str, service: Map, _document: Map) -> str:
        value = service.get(field, low)
        if _is_integer(value) and low <= value <= high:
            return ""
        return f"{field} is {_json(value)}, must be an integer from {low} to {high}"

    return rule


def _dlq_longer(_name: str, service: Map, _document: Map) -> str:
    kept: Any = service.get("retention")
    dead: Any = service.get("dlq_retention")
    if not (_is_integer(kept) and _is_integer(dead)) or kept < dead:
        return ""
    return f"dlq_retention ({dead} s) must be longer than retention ({kept} s)"


def _sends_email(_name: str, service: Map, _document: Map) -> str:
    value = service.get("sends_email", False)
    return "" if isinstance(value, bool) else f"sends_email is {_json(value)}, not true or false"


MAP_RULES: Final[Mapping[str, MapRule]] = {
    "fields of the map": _map_fields,
    "topic": _topic,
    "fifo": _fifo,
    "events": _events,
    "tables": _tables,
    "services": _services,
}
SERVICE_RULES: Final[Mapping[str, ServiceRule]] = {
    "name": _name,
    "missing": _missing,
    "unknown": _unknown,
    "owner": _owner,
    "lists": _lists,
    "known": _known,
    "published": _published,
    "table": _table,
    "visibility_timeout": _whole(
        "visibility_timeout", MIN_VISIBILITY_TIMEOUT, MAX_VISIBILITY_TIMEOUT
    ),
    "max_attempts": _whole("max_attempts", 1, 100),
    "concurrency": _whole("concurrency", 1, MAX_CONCURRENCY),
    "retention": _whole("retention", MIN_RETENTION, MAX_RETENTION),
    "dlq_retention": _whole("dlq_retention", MIN_RETENTION, MAX_RETENTION),
    # SQS keeps the original enqueue time of a message that it moves to the dead-letter queue:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    "dlq longer": _dlq_longer,
    "sends_email": _sends_email,
}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _strings(value: Any) -> frozenset[str]:
    return frozenset(value) if _are_strings(value) else frozenset()


def _object(value: Any) -> Map:
    return value if isinstance(value, dict) else {}
