"""Examines tables: key, index, time to live, backups, and events that the relay set aside."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from workers.aws.errors import translated
from workers.aws.outbox import INDEX, Outbox
from workers.ops.doctor.finding import Finding
from workers.ops.doctor.scope import Scope

AREA: Final = "table"
TTL: Final = "expires"
_KEY: Final = [("pk", "HASH")]
_INDEX_KEY: Final = [("outboxShard", "HASH"), ("outboxOrder", "RANGE")]
_IN_USE: Final = ("ACTIVE", "UPDATING")


def examine_table(scope: Scope, table: str) -> Iterator[Finding]:
    """Examine a table of the map."""
    name, outbox = scope.settings.table(table), scope.topology.tables[table].outbox
    with translated("dynamodb"):
        try:
            found = scope.dynamodb.describe_table(TableName=name)["Table"]
        except scope.dynamodb.exceptions.ResourceNotFoundException:
            yield Finding(AREA, name, "does not exist", scope.repair, kind="missing")
            return
        ttl = scope.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    for problem in (*table_problems(found, outbox=outbox), *ttl_problems(ttl)):
        yield Finding(AREA, name, problem, scope.repair)
    if scope.on_aws:
        yield from _examine_backups(scope, name)
    if outbox and not list(index_problems(found.get("GlobalSecondaryIndexes", []))):
        yield from _examine_set_aside(scope, name)


def table_problems(found: Mapping[str, Any], *, outbox: bool) -> Iterator[str]:
    """Compare a table's description with what the code needs."""
    if (status := found.get("TableStatus")) not in _IN_USE:
        yield f"is {status}"
    if _keys(found) != _KEY:
        yield f"its key is {_keys(found)} instead of {_KEY}"
    if outbox:
        yield from index_problems(found.get("GlobalSecondaryIndexes", []))


def index_problems(indexes: list[Mapping[str, Any]]) -> Iterator[str]:
    """Examine the index that the relay reads."""
    index = next((each for each in indexes if each["IndexName"] == INDEX), None)
    if index is None:
        yield f"has no index {INDEX}: the relay publishes nothing"
        return
    if _keys(index) != _INDEX_KEY:
        yield f"the key of its index {INDEX} is {_keys(index)} instead of {_INDEX_KEY}"
    if index["Projection"]["ProjectionType"] != "ALL":
        yield f"its index {INDEX} does not project all attributes: the relay cannot read the events"
    if (status := index.get("IndexStatus")) not in _IN_USE:
        yield f"its index {INDEX} is {status}"


def ttl_problems(found: Mapping[str, Any]) -> Iterator[str]:
    """Examine the time to live."""
    if found.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        yield "its time to live is off: rows of inbox and outbox stay forever"
    elif (attribute := found.get("AttributeName")) != TTL:
        yield f"its time to live is {attribute} instead of {TTL}"


def backup_problems(found: Mapping[str, Any]) -> Iterator[str]:
    """Examine the answer to DescribeContinuousBackups."""
    recovery = found["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        yield "point-in-time recovery is off: data that is lost stays lost (docs/RESTORE.md)"


def _examine_set_aside(scope: Scope, name: str) -> Iterator[Finding]:
    """Examine whether the relay set events aside because SNS refused them."""
    if count := Outbox(scope.dynamodb, name).stuck_count():
        remedy = "Run `workers outbox list`: it shows why"
        yield Finding("outbox", name, f"{count} set aside, which no queue gets", remedy)


def _examine_backups(scope: Scope, name: str) -> Iterator[Finding]:
    with translated("dynamodb"):
        found = scope.dynamodb.describe_continuous_backups(TableName=name)
    for problem in backup_problems(found):
        yield Finding(AREA, name, problem, scope.repair)


def _keys(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key["AttributeName"], key["KeyType"]) for key in found.get("KeySchema", [])]
