"""Maps that each break one rule. The code must refuse all of them, Terraform some."""

from copy import deepcopy
from typing import Any

from workers.topology import Service

_SERVICE: dict[str, Any] = {
    "owner": "orders",
    "consumes": [],
    "publishes": [],
    "table": "orders",
    "visibility_timeout": 60,
    "max_attempts": 3,
    "concurrency": 10,
    "retention": 345_600,
    "dlq_retention": 1_209_600,
    "sends_email": False,
}
SMALL: dict[str, Any] = {
    "topic": "order-events",
    "events": ["order.created", "order.shipped"],
    "tables": {"orders": {"outbox": True}},
    "services": {
        "order-api": _SERVICE | {"publishes": ["order.created"]},
        "payment": _SERVICE | {"consumes": ["order.created"]},
    },
}

_OUTBOX = "tables must be an object; each table has the field outbox, true or false, and no others"
_TWO_WEEKS = 1_209_600
_OWNER = "must be 1 to 32 lower-case letters, digits and hyphens, starting with a letter"
_TOPIC = "topic must be 1 to 100 letters, digits, hyphens and underscores"

# Rule, change to the small map, error message.
BROKEN_MAPS: list[tuple[str, dict[str, Any], str]] = [
    (
        "fields of the map",
        {"colour": "red"},
        "the map must have the fields topic, events, tables and services, and no others but fifo",
    ),
    ("topic", {"topic": "order events"}, _TOPIC),
    ("topic", {"topic": 7}, _TOPIC),
    ("fifo", {"fifo": "yes"}, 'fifo is "yes", not true or false'),
    (
        "events",
        {"events": ["order.created", "order.created"]},
        "events must be a list of event types without duplicates",
    ),
    ("tables", {"tables": {"orders": {"outbox": 1}}}, _OUTBOX),
    ("tables", {"tables": {"orders": {"outbox": True, "colour": "red"}}}, _OUTBOX),
    ("services", {"services": []}, "services must be an object"),
]

# Rule, change to payment, error message.
BROKEN_SERVICES: list[tuple[str, dict[str, Any], str]] = [
    ("unknown", {"retries": 1, "colour": "red"}, "unknown field colour, retries"),
    (
        "lists",
        {"publishes": "order.created"},
        "consumes and publishes must be lists of event types",
    ),
    ("lists", {"publishes": [1]}, "consumes and publishes must be lists of event types"),
    ("lists", {"publishes": None}, "consumes and publishes must be lists of event types"),
    ("owner", {"owner": "Team 7"}, f'owner is "Team 7", {_OWNER}'),
    ("owner", {"owner": None}, f"owner is null, {_OWNER}"),
    ("known", {"publishes": ["order.eaten"]}, "unknown event order.eaten"),
    ("published", {"consumes": ["order.shipped"]}, "no service publishes order.shipped"),
    ("table", {"table": "nowhere"}, 'table "nowhere" is not in tables'),
    ("table", {"table": None}, "table null is not in tables"),
    (
        "visibility_timeout",
        {"visibility_timeout": 29},
        "visibility_timeout is 29, must be an integer from 30 to 43200",
    ),
    (
        "visibility_timeout",
        {"visibility_timeout": 43_201},
        "visibility_timeout is 43201, must be an integer from 30 to 43200",
    ),
    (
        "visibility_timeout",
        {"visibility_timeout": "60"},
        'visibility_timeout is "60", must be an integer from 30 to 43200',
    ),
    (
        "max_attempts",
        {"max_attempts": 0},
        "max_attempts is 0, must be an integer from 1 to 100",
    ),
    (
        "max_attempts",
        {"max_attempts": 2.5},
        "max_attempts is 2.5, must be an integer from 1 to 100",
    ),
    (
        "concurrency",
        {"concurrency": None},
        "concurrency is null, must be an integer from 1 to 200",
    ),
    (
        "concurrency",
        {"concurrency": True},
        "concurrency is true, must be an integer from 1 to 200",
    ),
    (
        "retention",
        {"retention": 59},
        f"retention is 59, must be an integer from 60 to {_TWO_WEEKS}",
    ),
    (
        "dlq_retention",
        {"dlq_retention": _TWO_WEEKS + 1},
        f"dlq_retention is 1209601, must be an integer from 60 to {_TWO_WEEKS}",
    ),
    (
        "dlq longer",
        {"dlq_retention": 345_600},
        "dlq_retention (345600 s) must be longer than retention (345600 s)",
    ),
    ("sends_email", {"sends_email": "yes"}, 'sends_email is "yes", not true or false'),
]

# Rule, name of an otherwise correct service. The error message is the same for all.
BROKEN_NAMES: list[tuple[str, str]] = [
    ("name", name) for name in ("Shipping", "9lives", "a" * 33, "with_underscore")
]
_NAME = "the name must be 1 to 32 lower-case letters, digits and hyphens, starting with a letter"


def broken_maps() -> list[tuple[str, dict[str, Any], str]]:
    """List every broken map as rule, map and the one error message it must get."""
    service = SMALL["services"]["payment"]
    maps = [(rule, SMALL | change, said) for rule, change, said in BROKEN_MAPS]
    maps += [
        (rule, _with("payment", service | change), f"payment: {said}")
        for rule, change, said in BROKEN_SERVICES
    ]
    maps += [(rule, _with(name, service), f"{name}: {_NAME}") for rule, name in BROKEN_NAMES]
    maps += [("missing", *incomplete(field)) for field in Service.model_fields]
    maps.append(("object", _with("shipping", 5), "shipping: must be an object"))
    return maps


def incomplete(field: str) -> tuple[dict[str, Any], str]:
    """Return the small map without one field of payment, and the error message it must get."""
    rest = {name: value for name, value in SMALL["services"]["payment"].items() if name != field}
    return _with("payment", rest), f"payment: missing field {field}"


def _with(name: str, service: object) -> dict[str, Any]:
    changed = deepcopy(SMALL)
    changed["services"][name] = service
    return changed
