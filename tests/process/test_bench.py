"""The benchmark still runs, and production still makes as few requests: counts only, no times."""

import sys

import pytest

from bench import environments, load
from bench import run as runner
from bench.lineup import PEERS
from bench.run import Conditions, run
from bench.scenarios import SCENARIOS

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Run one peer in one scenario; nothing is installed."""
    monkeypatch.setattr(environments, "HOME", tmp_path)
    monkeypatch.setattr(environments, "standin_python", lambda: sys.executable)

    def play(scenario, peer, messages):
        done = run(PEERS[peer], SCENARIOS[scenario], Conditions(messages), tmp_path)
        assert done.problem == ""
        return done.figures

    return play


def test_a_payment_takes_one_transaction_and_its_share_of_a_publish(bench):
    figures = bench("payment", "ours-payment", 100)

    assert (figures["messages"], figures["duplicates"]) == (100, 0)
    assert (figures["published"], figures["dynamodb"]) == (100, 1.0)
    assert figures["sns"] < 0.5
    assert figures["sqs"] < 0.5  # receives and deletes of ten; single deletes would make it 1.1


def test_an_order_is_confirmed_with_one_mail_through_the_processes_of_production(bench):
    figures = bench("order", "ours-shop", 10)

    assert figures["messages"] == 10
    assert figures["emails"] == 1.0
    assert figures["processes"] == 7
    assert figures["sns"] <= 4.0  # one for each of its events, if each is published alone
    assert figures["dynamodb"] < 40
    assert 40 < figures["write units"] < 80


def test_order_api_publishes_the_events_of_all_orders_under_load(bench):
    figures = bench("api", "ours-api", 500)

    # What is too much at once is left to the relay, which does not run here.
    assert figures["published"] >= 0.95 * figures["messages"]


@pytest.mark.parametrize("scenario", ["noop", "idle", "start", "order", "api"])
@pytest.mark.parametrize(
    ("program", "reason"),
    [("exit('no such table')", "no such table"), ("import time; time.sleep(60)", "within 1 s")],
    ids=["ends", "hangs"],
)
def test_a_peer_that_fails_has_a_reason_in_every_kind_of_scenario(
    tmp_path, monkeypatch, scenario, program, reason
):
    monkeypatch.setattr(environments, "HOME", tmp_path)
    monkeypatch.setattr(environments, "standin_python", lambda: sys.executable)
    monkeypatch.setattr(environments, "command", lambda _: [sys.executable, "-c", program])
    monkeypatch.setattr(runner, "_LONGEST_WARM_UP", 1.0)
    monkeypatch.setattr(load, "_PATIENCE", 1.0)
    peer = {"order": "ours-shop", "api": "ours-api"}.get(scenario, "ours")

    done = run(PEERS[peer], SCENARIOS[scenario], Conditions(10), tmp_path)

    assert reason in done.problem
    assert done.figures == {}


def test_an_unexpected_error_of_one_run_is_its_result(tmp_path, monkeypatch):
    def surprise(*_):
        raise KeyError("drained")

    monkeypatch.setattr(environments, "HOME", tmp_path)
    monkeypatch.setattr(environments, "standin_python", lambda: sys.executable)
    monkeypatch.setattr(environments, "command", surprise)

    done = run(PEERS["ours"], SCENARIOS["noop"], Conditions(10), tmp_path)

    assert done.problem == "KeyError: 'drained'"
    assert "surprise" in (tmp_path / "noop-ours.log").read_text()
