"""Counters are summed over exactly the requested hours."""

from datetime import UTC, datetime, timedelta

import pytest

from workers.aws.batch_get import MAX_KEYS
from workers.ops.counters import MAX_HOURS, read_counters
from workers.services.analytics import SHARDS

NOW = datetime(2026, 1, 2, 1, 30, tzinfo=UTC)
LONGEST_ANSWER = 60  # rows; DynamoDB returns as many as fit into 16 MB


class Table:
    """Answers BatchGetItem, a few rows at a time."""

    def __init__(self, hours):
        self.asked = []
        self._rows = {
            f"hour#{NOW - timedelta(hours=hour):%Y-%m-%dT%H}#{shard}": {
                "order.created": {"N": "1"},
                "revenue.EUR": {"N": "0.10"},
            }
            for hour in range(hours)
            for shard in range(SHARDS)
        }

    def get_item(self, **_):
        return {}

    def batch_get_item(self, RequestItems):  # noqa: N803 - as AWS spells it
        [(table, wanted)] = RequestItems.items()
        keys = [key["pk"]["S"] for key in wanted["Keys"]]
        self.asked.append(len(keys))
        now, later = keys[:LONGEST_ANSWER], keys[LONGEST_ANSWER:]
        found = [{"pk": {"S": key}} | self._rows[key] for key in now if key in self._rows]
        rest = {table: {"Keys": [{"pk": {"S": key}} for key in later]}} if later else {}
        return {"Responses": {table: found}, "UnprocessedKeys": rest}


@pytest.mark.parametrize("hours", [1, 2, 24, MAX_HOURS])
def test_every_requested_hour_is_read_with_all_its_shards(hours):
    table = Table(hours=hours + 1)

    totals = read_counters(table, "analytics", hours=hours, now=NOW)

    assert totals["order.created"] == hours * SHARDS
    assert float(totals["revenue.EUR"]) == pytest.approx(hours * SHARDS / 10)
    assert max(table.asked) <= MAX_KEYS


def test_hours_without_events_add_nothing():
    assert read_counters(Table(hours=0), "analytics", hours=24, now=NOW) == {}
