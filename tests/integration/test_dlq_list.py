"""Operators see every dead letter, and learn when they do not."""

import json
import time

import pytest
from rich.console import Console
from support.dead_letters import Dead, document, run

from workers.cli import dlq_view
from workers.ops import dlq_groups, dlq_place

pytestmark = pytest.mark.integration


@pytest.fixture
def dead(provisioned, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)
    return Dead(provisioned)


def orders(n, prefix="order"):
    return [f"{prefix}-{i:04}" for i in range(n)]


def test_messages_that_another_reader_holds_are_not_an_empty_queue(dead):
    dead.add(*orders(30))
    held = dead.hold() + dead.hold()
    assert len(held) > 10

    shown = run("dlq", "list", "payment", code=1)

    readable = 30 - len(held)
    assert f"30 there, {readable} readable now (another reader holds the rest)" in shown.stderr
    assert "try again in 30 s" in shown.stderr
    assert "empty" not in shown.output


def test_a_queue_whose_messages_are_all_held_is_not_called_empty(dead):
    dead.add(*orders(5))
    assert len(dead.hold()) == 5

    for command in (["list"], ["redrive"], ["redrive", "--canary", "1", "--yes"]):
        result = run("dlq", command[0], "payment", *command[1:], code=1)
        assert "empty" not in result.output
        assert "try again in" in result.stderr


def test_a_thousand_messages_are_listed_in_less_than_five_seconds(dead):
    dead.add(*orders(1_000))
    dead.handled(*orders(400))
    started = time.monotonic()

    found = document("dlq", "list", "payment", "--limit", "1000")

    took = time.monotonic() - started
    assert len({letter["id"] for letter in found}) == 1_000
    assert sum(letter["processed"] for letter in found) == 400
    assert took < 5
    assert {letter["receive_count"] for letter in found} == {1}
    assert len(dead.hold()) > 0, "listing makes the messages visible again"


def test_a_limit_is_named_when_it_ends_the_list(dead):
    dead.add(*orders(30))

    result = run("dlq", "list", "payment", "--limit", "10")

    assert "30 there, the oldest 10 read: that is the limit" in result.stderr


def test_looking_is_refused_if_it_could_move_a_message_on(dead):
    dead.add("order-1")
    other = dead.sqs.get_queue_attributes(QueueUrl=dead.queue, AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": other["Attributes"]["QueueArn"], "maxReceiveCount": "3"}
    dead.sqs.set_queue_attributes(
        QueueUrl=dead.dlq, Attributes={"RedrivePolicy": json.dumps(policy)}
    )

    result = run("dlq", "list", "payment", code=1)

    assert "has a redrive policy of its own" in result.stderr
    dead.sqs.set_queue_attributes(QueueUrl=dead.dlq, Attributes={"RedrivePolicy": ""})
    assert {m["Attributes"]["ApproximateReceiveCount"] for m in counted(dead)} == {"1"}


def counted(dead):
    return dead.sqs.receive_message(
        QueueUrl=dead.dlq, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )["Messages"]


def test_ids_are_never_broken_on_a_hundred_columns(dead, provisioned):
    dead.add(*orders(40, prefix="0e3b2c1d-5f6a-4b7c-8d9e-0f1a2b3c4d5e"), reason="x" * 300)
    read = dlq_place.read(
        dlq_place.Place(dead.sqs, dead.dynamodb, "payment", dead.table, "dlq", dead.dlq, dead.queue)
    )
    console = Console(width=100, record=True, file=None)

    dlq_view.letters_table(read.letters, read.known, console)

    lines = console.export_text().splitlines()
    assert len(lines) == 41
    assert max(map(len, lines)) <= 100
    ids = [line.split()[0] for line in lines[1:]]
    assert len(set(ids)) == 40
    assert all(any(m.id.startswith(short) for m in read.letters) for short in ids)
    assert str(provisioned.name_prefix)


def test_groups_count_one_cause_with_its_first_and_last_failure(dead):
    dead.add(*orders(3), stack="0a1b2c3d4e5f", at="2026-11-20T10:00:00+00:00")
    dead.add("late-1", stack="0a1b2c3d4e5f", at="2026-11-21T12:00:00+00:00", redrives="2")
    dead.add("other-1", stack="ffffffffffff")
    dead.add(body="not json", type="malformed")
    dead.handled("order-0001")
    failed = {"at": {"S": "2026-11-20T10:00:00.000+00:00"}, "version": {"S": "abc123"}}
    dead.put("failures#order-api#event-order-0000", **{"attempt#m-1#1": {"M": failed}})

    groups = document("dlq", "list", "payment", "--group")

    found = [(g["count"], g["type"], g["event_type"]) for g in groups]
    assert found[0] == (4, "TimeoutError", "order.created")
    assert set(found[1:]) == {
        (1, "TimeoutError", "order.created"),
        (1, "malformed", ""),
    }
    first = groups[0]
    assert (first["processed"], first["redriven"], first["versions"]) == (1, 1, ["abc123"])
    assert (first["first_at"][:10], first["last_at"][:10]) == ("2026-11-20", "2026-11-21")
    assert first["key"] in run("dlq", "list", "payment", "--group").stdout


def test_a_group_is_one_line_on_a_hundred_columns(dead, provisioned):
    dead.add(*orders(12), stack="0a1b2c3d4e5f", type="unsupported_version", reason="x" * 300)
    dead.add("other-1", stack="ffffffffffff")
    assert str(provisioned.name_prefix)
    place = dlq_place.Place(
        dead.sqs, dead.dynamodb, "payment", dead.table, "dlq", dead.dlq, dead.queue
    )
    read = dlq_place.read(place)
    groups = dlq_groups.grouped(read.letters, read.known)
    narrow, wide = (Console(width=columns, record=True, file=None) for columns in (100, 500))

    dlq_view.groups_table(groups, narrow)
    dlq_view.groups_table(groups, wide)

    lines = narrow.export_text().splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 100
    assert [line.split()[0] for line in lines[1:]] == [group.key for group in groups]
    assert "unsupported_version" in lines[1]
    assert "0a1b2c3d4e5f" in wide.export_text()


def test_an_event_that_does_not_meet_the_schema_is_named_by_its_own_fields(dead):
    fields = {"eventType": "order.lost", "eventId": "e-1", "data": {"orderId": "order-1"}}
    dead.add(body=json.dumps(fields), type="unknown_type")
    dead.add(body=json.dumps({"eventType": "ada@example.com", "data": 7}), type="malformed")

    found = {each["type"]: each for each in document("dlq", "list", "payment")}

    names = ("event_type", "event_id", "order_id")
    assert [found["unknown_type"][name] for name in names] == ["order.lost", "e-1", "order-1"]
    assert [found["malformed"][name] for name in names] == ["", "", ""]


@pytest.mark.usefixtures("dead")
def test_an_empty_queue_is_empty():
    assert "is empty" in run("dlq", "list", "payment").stdout
    assert document("dlq", "list", "payment") == []
    assert document("dlq", "list", "payment", "--group") == []


HOSTILE = [
    '{"eventId": "\\u001b[31mred\\u001b]0;title\\u0007"}',
    "\u009b31m csi \u202e reversed \u2028 line",
    "[bold red]markup[/] [/unbalanced] {x} %s",
    '{"eventType": "[red]", "data": {"a": "\\ud800"}}',
    "x" * 900_000,
    "[" * 100_000,
    '{"a": NaN, "b": 1e999, "c": ' + "9" * 5_000 + "}",
    "\n\n\r\t",
]


def harmless(result):
    assert [c for c in set(result.output) if not c.isprintable() and c not in "\n\t"] == []
    return result.stdout


def test_hostile_bodies_are_shown_harmlessly(dead):
    for body in HOSTILE:
        dead.add(body=body, type="[red]type[/red]", reason="\u009b2J[/red] reason \u202e")

    assert "[red]type[/red]" in harmless(run("dlq", "list", "payment"))
    harmless(run("dlq", "list", "payment", "--group"))
    harmless(run("dlq", "redrive", "payment", "--where", "readable"))
    revealed = set()
    for letter in document("dlq", "list", "payment"):
        assert len(harmless(run("dlq", "show", "payment", letter["id"]))) < 10_000
        raw = harmless(run("dlq", "show", "payment", letter["id"], "--json", "--reveal"))
        revealed.add(json.loads(raw)["body"])
    assert revealed == set(HOSTILE)
