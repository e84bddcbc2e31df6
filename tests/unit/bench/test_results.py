"""Results are written as they come, and read and merged again."""

import json

import pytest

from bench.document import DOCUMENT, update
from bench.report import markdown
from bench.results import NotResults, load, save
from bench.rounds import compare, play
from bench.run import Conditions, Run
from bench.scenarios import SCENARIOS

STAMP = {"command": "make bench", "commit": "abc", "cpu": "two cores", "load average": "0.1"}


def result(name="noop", cpu=1.0, rounds=2):
    played = [
        [Run("limit-boto3", name, figures={"cpu": 1.0}), Run("ours", name, figures={"cpu": cpu})]
        for _ in range(rounds)
    ]
    return compare(SCENARIOS[name], played, STAMP)


def saved(folder, *results):
    folder.mkdir()
    save(results, folder / "results.json")
    return folder


def test_a_report_can_be_made_again_from_the_folder_of_a_call(tmp_path):
    measured = [result("noop"), result("tls")]

    assert markdown(load([saved(tmp_path / "a", *measured)])) == markdown(measured)


def test_a_failed_round_stays_in_its_round(tmp_path):
    rounds = [
        [Run("limit-boto3", "noop", figures={"cpu": 1.0}), Run("ours", "noop", problem="ended")],
        [
            Run("limit-boto3", "noop", figures={"cpu": 2.0}),
            Run("ours", "noop", figures={"cpu": 3.0}),
        ],
    ]
    folder = saved(tmp_path / "a", compare(SCENARIOS["noop"], rounds))
    [loaded] = load([folder])

    assert loaded.figures["ours"]["ratio"] == 1.5
    assert loaded.problems == {"ours": "1 of 2 rounds: ended"}


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [(2, 2, 2.0), (1, 3, 2.0), (3, 1, 9.0)],
    ids=["as many rounds", "more rounds", "an interrupted call"],
)
def test_merged_folders_have_the_result_with_the_most_rounds_or_else_the_last_one(
    tmp_path, first, second, taken
):
    before = saved(tmp_path / "a", result("tls"), result("noop", cpu=9.0, rounds=first))
    after = saved(tmp_path / "b", result("noop", cpu=2.0, rounds=second))
    noop, tls = load([before, after])

    assert (noop.scenario.name, tls.scenario.name) == ("noop", "tls")
    assert (noop.figures["ours"]["cpu"], noop.rounds) == (taken, max(first, second))


def test_results_of_an_early_version_have_the_stamp_of_their_file(tmp_path):
    run = {"peer": "ours", "scenario": "noop", "problem": "", "figures": {}, "actions": {}}
    old = {"at": "2026-11-21", "commit": "abc", "scenarios": {"noop": {"runs": [run]}}}
    (tmp_path / "old.json").write_text(json.dumps(old))
    [loaded] = load([tmp_path / "old.json"])

    assert loaded.stamp == {"at": "2026-11-21", "commit": "abc"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"scenarios": {}}', '{"scenarios": {"x": {}}}'])
def test_a_file_without_results_is_named(tmp_path, text):
    (tmp_path / "results.json").write_text(text)

    with pytest.raises(NotResults):
        load([tmp_path])


@pytest.mark.parametrize(
    ("noop", "error"),
    [
        ({}, "KeyError: 'runs'"),
        ([], "TypeError"),
        ({"runs": []}, "no runs"),
        ({"runs": [{"peer": "ours", "scenario": "noop", "colour": "red"}]}, "colour"),
        ({"runs": [{"peer": "ours"}]}, "scenario"),
        ({"runs": [{"peer": "limit-wire", "scenario": "noop", "figures": 1}]}, "AttributeError"),
        ({"runs": [{"peer": "ours", "scenario": "noop"}], "stamp": "today"}, "ValueError"),
    ],
)
def test_a_file_with_results_that_cannot_be_read_is_named_with_the_scenario_and_the_error(
    tmp_path, noop, error
):
    (tmp_path / "results.json").write_text(json.dumps({"scenarios": {"noop": noop}}))

    with pytest.raises(NotResults, match=rf"results\.json: noop: .*{error}"):
        load([tmp_path])


def test_there_is_a_result_after_every_round(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.rounds.run", lambda peer, *_, **__: Run(peer.name, "noop"))
    peers = [type("Peer", (), {"name": "ours"})]
    rounds = play(
        SCENARIOS["noop"],
        peers,
        3,
        conditions=Conditions(),
        folder=tmp_path,
        tell=lambda _: None,
        stamp=STAMP,
    )

    assert [len(each.runs) for each in rounds] == [1, 2, 3]


def test_only_the_marked_part_of_the_document_is_replaced(tmp_path):
    document = tmp_path / "BENCHMARK.md"
    document.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    update([result()], document)
    text = document.read_text()

    assert text.startswith("before\n<!-- bench -->\n")
    assert text.endswith("\n<!-- /bench -->\nafter\n")
    assert "old" not in text
    assert "`make bench`:\nrounds 2, commit abc, cpu two cores, load average 0.1." in text
    assert "- noop: MISSED: ours ratio 1.00 <= 0.80" in text


def test_the_document_of_this_project_has_the_markers(tmp_path):
    copy = tmp_path / DOCUMENT.name
    copy.write_text(DOCUMENT.read_text("utf-8"))
    update([result()], copy)

    assert "`make bench`:\nrounds 2," in copy.read_text()


def test_a_document_without_the_markers_is_refused(tmp_path):
    (tmp_path / "other.md").write_text("text")

    with pytest.raises(ValueError, match="markers"):
        update([result()], tmp_path / "other.md")
