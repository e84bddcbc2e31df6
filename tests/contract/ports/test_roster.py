"""The port ``Roster``: heartbeats and pauses come back as they were written."""

from datetime import UTC, datetime, timedelta

import pytest

from workers.aws.heartbeats import DynamoRoster, from_row, key_of
from workers.runtime.roster import Heartbeat

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def a_heartbeat(worker="worker-1", **changes):
    told = {
        "at": NOON,
        "started_at": NOON - timedelta(hours=1),
        "version": "4f6c2d",
        "task": "9c2f" * 8,
        "in_flight": 3,
        "slots": 10,
        "handled": 1_200,
        "failed": 7,
        "rate": 12.345,
        "oldest_sent_at": 1_767_355_000.25,
        "paused": True,
    }
    return Heartbeat(worker, **(told | changes))


def test_the_last_heartbeat_replaces_the_one_before(roster):
    assert roster.last_beat("worker-1") is None
    roster.beat(a_heartbeat())
    later = NOON + timedelta(seconds=10)
    roster.beat(a_heartbeat(at=later))
    assert roster.last_beat("worker-1") == later
    assert roster.last_beat("worker-2") is None


def test_workers_join_once_and_leave(roster):
    assert set(roster.join("a")) == {"a"}
    assert set(roster.join("b")) == {"a", "b"}
    assert set(roster.join("a")) == {"a", "b"}
    roster.leave(["a", "never-joined"])
    assert set(roster.join("c")) == {"b", "c"}


def test_the_last_worker_leaves_an_empty_roster(roster):
    roster.join("a")
    roster.leave(["a"])
    roster.leave(["a"])
    assert set(roster.join("b")) == {"b"}


def test_a_service_is_not_paused_at_first(roster):
    assert roster.pause() is None


@pytest.mark.integration
class TestOnDynamoDb:
    """The rows, which another version or a person may have written."""

    @pytest.fixture
    def rows(self, dynamodb, table):
        return DynamoRoster(dynamodb, table, clock=NOON.timestamp)

    def row(self, rows, key):
        return rows.client.get_item(TableName=rows.table, Key=key, ConsistentRead=True)["Item"]

    @pytest.mark.parametrize("beat", [a_heartbeat(), a_heartbeat(oldest_sent_at=None, rate=0.0)])
    def test_every_field_of_a_heartbeat_is_kept_and_the_row_expires(self, rows, beat):
        rows.beat(beat)
        row = self.row(rows, key_of("worker-1"))
        assert from_row(row) == beat
        assert int(row["expires"]["N"]) == NOON.timestamp() + 86_400

    def test_a_heartbeat_costs_one_write_unit(self, rows):
        """A write unit is a write of up to 1 KB."""
        longest = "w" * 100
        rows.beat(a_heartbeat(longest, version="f" * 40, handled=10**12, failed=10**12))
        assert len(str(self.row(rows, key_of(longest)))) < 1_000

    def test_a_roster_expires_a_month_after_the_last_worker_joined(self, rows):
        rows.join("a")
        row = self.row(rows, {"pk": {"S": "workers"}})
        assert int(row["expires"]["N"]) == NOON.timestamp() + 30 * 86_400

    def test_a_row_that_lacks_fields_is_read(self, rows):
        rows.client.put_item(TableName=rows.table, Item=key_of("worker-1"))
        assert rows.last_beat("worker-1").year == 1970

    @pytest.mark.parametrize("at", ["yesterday", "2026-01-02T12:00:00"])
    def test_a_time_that_cannot_be_read_lies_far_back(self, rows, at):
        rows.client.put_item(TableName=rows.table, Item=key_of("w") | {"at": {"S": at}})
        assert rows.last_beat("w").year == 1970

    def test_a_pause_without_an_end_lasts_until_it_is_removed(self, rows):
        key = {"pk": {"S": "pause"}}
        rows.client.put_item(TableName=rows.table, Item=key | {"by": {"S": "ann"}})
        assert (rows.pause().by, rows.pause().until) == ("ann", None)
        rows.client.delete_item(TableName=rows.table, Key=key)
        assert rows.pause() is None
