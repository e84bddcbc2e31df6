"""Runs the rounds of a scenario: peers take turns, and medians are compared."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.figures import Figures
from bench.lineup import LIMIT, Peer
from bench.run import Conditions, Run, run
from bench.scenarios import Scenario

# Above this ratio (slowest / fastest round of the limit) the machine was too busy.
TRUSTED_SPREAD = 1.5


@dataclass(frozen=True)
class Result:
    """All runs of a scenario and their medians."""

    scenario: Scenario
    runs: tuple[Run, ...]
    figures: dict[str, Figures]  # by peer, medians
    problems: dict[str, str]  # by peer

    @property
    def doubt(self) -> str:
        """The reason not to trust the figures; empty if there is none."""
        spread = self.figures.get(LIMIT, {}).get("spread", 1.0)
        if spread <= TRUSTED_SPREAD:
            return ""
        return (
            f"The machine was too busy to trust these figures: the rounds of {LIMIT} "
            f"differ by a factor of {spread:.2f} (limit: {TRUSTED_SPREAD})."
        )


def play(
    scenario: Scenario,
    peers: Sequence[Peer],
    rounds: int,
    *,
    conditions: Conditions,
    folder: Path,
    tell: Callable[[Run], None],
) -> Result:
    """Run A B C, A B C, ...: other load on the machine affects all peers alike."""

    def one(peer: Peer) -> Run:
        done = run(peer, scenario, conditions, folder)
        tell(done)
        return done

    played: list[list[Run]] = []
    for _ in range(rounds):
        if scenario.together:
            with ThreadPoolExecutor(len(peers)) as pool:
                played.append(list(pool.map(one, peers)))
        else:
            played.append([one(peer) for peer in peers])
    return compare(scenario, played)


def compare(scenario: Scenario, rounds: Sequence[Sequence[Run]]) -> Result:
    """Combine the runs of all rounds into a result."""
    compared = [_with_ratio(run_, round_) for round_ in rounds for run_ in round_]
    names = dict.fromkeys(run_.peer for run_ in compared)
    mine = {name: [run_ for run_ in compared if run_.peer == name] for name in names}
    return Result(
        scenario,
        tuple(compared),
        {
            name: _medians([run_.figures for run_ in runs if run_.figures])
            for name, runs in mine.items()
        },
        {name: problem for name, runs in mine.items() if (problem := _problem(runs))},
    )


def _with_ratio(run_: Run, others: Sequence[Run]) -> Run:
    """Add the ratio of the CPU time to that of the limit in the same round."""
    limit = next((each.figures.get("cpu") for each in others if each.peer == LIMIT), None)
    if limit and "cpu" in run_.figures:
        run_.figures["ratio"] = run_.figures["cpu"] / limit
    return run_


def _medians(rounds: Sequence[Figures]) -> Figures:
    names = dict.fromkeys(name for figures in rounds for name in figures)
    medians = {name: median(f[name] for f in rounds if name in f) for name in names}
    times = [figures["cpu"] for figures in rounds if figures.get("cpu")]
    return medians | ({"spread": max(times) / min(times)} if times else {})


def _problem(runs: Sequence[Run]) -> str:
    return next((run_.problem for run_ in runs if run_.problem), "")
