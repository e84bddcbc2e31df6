"""Writes results to files, and reads and merges those of earlier calls."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.rounds import Result, compare
from bench.run import Run
from bench.scenarios import SCENARIOS

FILE = "results.json"
# What a document says about all its scenarios; those of early versions said it only once.
_STAMPED = ("at", "commit", "cpu", "load average", "python", "botocore")


class NotResults(Exception):
    """A file has no results; the message says which one and why."""


def save(results: Iterable[Result], path: Path) -> None:
    """Write all runs with their stamps, and what follows from them.

    A call that is killed while it writes leaves the file as it was before.
    """
    document = {
        "scenarios": {
            result.scenario.name: {
                "title": result.scenario.title,
                "stamp": dict(result.stamp),
                "figures": result.figures,
                "problems": result.problems,
                "ranges": result.ranges,
                "doubts": result.doubts,
                "targets": [str(verdict) for verdict in result.verdicts],
                "runs": [asdict(run) for run in result.runs],
            }
            for result in results
        },
    }
    written = path.with_name(f"{path.name}.new")
    written.write_text(json.dumps(document, indent=1), "utf-8")
    written.replace(path)


def load(paths: Sequence[Path]) -> list[Result]:
    """Read files or folders of results, in the order of the scenarios.

    A scenario that is in several of them is taken as a whole from the one with the most rounds, so
    that an interrupted call replaces no finished one, and at equal rounds from the last: runs of
    different calls are not runs of the same round. Figures and verdicts are computed again from the
    runs. Raises ``NotResults``.
    """
    found: dict[str, Result] = {}
    for path in paths:
        file = path / FILE if path.is_dir() else path
        document = _read(file)
        shared = {name: str(document[name]) for name in _STAMPED if name in document}
        for name, saved in document["scenarios"].items():
            if name not in SCENARIOS:
                continue
            try:
                result = _result(name, saved, shared)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise NotResults(f"{file}: {name}: {type(error).__name__}: {error}") from None
            if name not in found or result.rounds >= found[name].rounds:
                found[name] = result
    if not found:
        raise NotResults("no scenario of today has results there")
    return [found[name] for name in SCENARIOS if name in found]


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotResults(f"{path}: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("scenarios"), dict):
        raise NotResults(f"{path}: not written by this benchmark")
    return document


def _result(name: str, saved: Mapping[str, Any], shared: Mapping[str, str]) -> Result:
    runs = [Run(**run) for run in saved["runs"]]
    if not runs:
        raise ValueError("it has no runs")
    return compare(SCENARIOS[name], _rounds(runs), dict(saved.get("stamp", shared)))


def _rounds(runs: Iterable[Run]) -> list[list[Run]]:
    """Divide runs, as they were played, into rounds: the nth run of a peer is in the nth."""
    rounds: list[list[Run]] = []
    times: dict[str, int] = {}
    for run in runs:
        number = times[run.peer] = times.get(run.peer, 0) + 1
        if number > len(rounds):
            rounds.append([])
        rounds[number - 1].append(run)
    return rounds
