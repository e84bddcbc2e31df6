"""Short versions of the trials, and proof that a trial can fail."""

import io
import json
from dataclasses import replace
from decimal import Decimal
from signal import SIGKILL

import pytest
from support.aws_calls import client

from local.demo.tables import Snapshot
from trials import orders, outage, report, stop, stops
from trials.report import Check, Progress
from trials.stop import Plan, Trial
from workers.aws.simulated_gateway import CHARGE, Entry

SEEDS = range(1, 11)
CALM = Plan(seed=0, orders=(), concurrency=4, after=1, outage=None, broken="writes", suspects=0)


@pytest.fixture
def attempt(aws, tmp_path):
    """Return a function that runs a trial."""

    def attempt(plan):
        return Trial(plan, aws, client("sqs"), client("dynamodb"), tmp_path).play()

    return attempt


@pytest.mark.story
@pytest.mark.timeout(300)
@pytest.mark.parametrize("service", outage.SERVICES)
def test_an_outage_is_waited_out(service, tmp_path):
    figures, checks = outage.undergo(
        tmp_path / "logs", Progress(), service=service, seconds=10, every=0.5, tasks=1
    )
    assert [check.line for check in checks if not check.held] == []
    assert figures["orders"] == 20
    assert figures["requests that got 500"] >= 5


@pytest.mark.process
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_worker_stopped_at_any_moment_leaves_nothing_behind(seed, attempt):
    result = attempt(Plan.of(seed))
    assert result.wrong == ()


@pytest.mark.process
def test_the_trial_notices_a_worker_that_is_killed(attempt, monkeypatch):
    monkeypatch.setattr(stop, "SIGTERM", SIGKILL)
    monkeypatch.setattr(stop, "HIDDEN", 0.1)
    monkeypatch.setattr(stop, "DRAIN", 0.1)
    result = attempt(replace(CALM, orders=("wait-1", "take-0-2")))
    said = " ".join(result.wrong)
    assert "ended with -9" in said
    assert "still hidden after" in said
    assert "messages are left" in said
    assert "wait-1 has 0 effects" in said


def test_the_same_seed_plans_the_same_trial():
    assert Plan.of(7) == Plan.of(7)
    assert len({Plan.of(seed) for seed in range(50)}) == 50


def a_book(**changes):
    entry = Entry("charge-a", CHARGE, "a", "pay-a", orders.PRICE, "EUR", 3)
    fields = {
        "orders": {"a": {"state": "confirmed"}},
        "stock": {orders.SKU: {"reserved": 1, "available": orders.SPARE}},
        "ledger": (entry,),
        "counters": dict.fromkeys(orders.EVENTS_OF_AN_ORDER, 1),
        "unpublished": 0,
    }
    return Snapshot(**(fields | changes))


TWICE = (
    Entry("one", CHARGE, "a", "pay-a", orders.PRICE, "EUR", 1),
    Entry("two", CHARGE, "a", "pay-b", orders.PRICE, "EUR", 1),
)


@pytest.mark.parametrize(
    ("changes", "check", "wrong"),
    [
        ({"orders": {"a": {"state": "pending"}}}, "every order is confirmed", "a is pending"),
        ({"orders": {}}, "every order is confirmed", "a is unknown"),
        ({"ledger": ()}, "every order was charged once", "a: 0 charges"),
        ({"ledger": TWICE}, "every order was charged once", "a: 2 charges"),
        (
            {"stock": {orders.SKU: {"reserved": 2, "available": orders.SPARE - 1}}},
            "every order has one reservation",
            "reserved is 2, not 1",
        ),
        (
            {"counters": dict.fromkeys(orders.EVENTS_OF_AN_ORDER, 2)},
            "analytics counted every event once",
            "2 times order.created, not 1",
        ),
    ],
)
def test_missing_and_repeated_effects_are_noticed(changes, check, wrong):
    checks = {each.name: each for each in orders.check_books(a_book(**changes), ["a"])}
    assert checks.pop(check).wrong[0] == wrong
    assert all(each.held for each in checks.values())
    assert all(each.held for each in orders.check_books(a_book(), ["a"]))
    assert Decimal(0) < orders.PRICE


def test_receives_are_read_from_the_logs_of_all_processes(tmp_path):
    def settled(message_id, receive_count):
        line = {"event": "message.settled", "messageId": message_id, "receiveCount": receive_count}
        return json.dumps(line) + "\n"

    (tmp_path / "a-1.log").write_text(settled("a", 1) + settled("b", 3) + settled("c", 9)[:40])
    (tmp_path / "a-2.log").write_text(settled("a", 2) + '{"event": "other"}\n')
    assert outage.receives_of(tmp_path) == {"a": 2, "b": 3}


def test_a_violation_is_printed_and_exits_with_1(capsys):
    checks = [Check("good"), Check("bad", tuple("abcdefg"))]
    assert report.conclude(Progress(), {"trials": 2}, checks, as_json=False) == 1
    said = capsys.readouterr().out
    assert "ok      good" in said
    assert "FAILED  bad: a; b; c; d; e and 2 more" in said
    assert said.rstrip().endswith("VIOLATED")
    assert report.conclude(Progress(as_json=True), {}, checks, as_json=True) == 1
    assert json.load(io.StringIO(capsys.readouterr().out))["ok"] is False


@pytest.mark.parametrize(
    ("main", "arguments", "known"),
    [
        (outage.main, ["--service", "s3"], "'dynamodb', 'sns'"),
        (outage.main, ["--minutes", "-1"], "must be a number above 0"),
        (outage.main, ["--minutes", "nan"], "must be a number above 0"),
        (outage.main, ["--every", "often"], "must be a number above 0"),
        (outage.main, ["--tasks", "0"], "must be a whole number above 0"),
        (stops.main, ["--trials", "-5"], "must be a whole number above 0"),
        (stops.main, ["--seed", "x"], "must be a whole number above 0"),
    ],
)
def test_bad_input_exits_with_2_and_says_what_is_allowed(main, arguments, known, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert known in capsys.readouterr().err
