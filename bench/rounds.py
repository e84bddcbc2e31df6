"""Rounds of one scenario: the peers take turns, medians are compared."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.figures import Figures
from bench.lineup import LIMIT, Peer
from bench.run import Conditions, Run, run
from bench.scenarios import Scenario

# Above it (slowest / fastest round of the limit) the machine did too much else.
TRUSTED_SPREAD = 1.5


@dataclass(frozen=True)
class Result:
    """All runs of a scenario and what they amount to."""

    scenario: Scenario
    runs: tuple[Run, ...]
    figures: dict[str, Figures]  # by peer, medians
    problems: dict[str, str]  # by peer

    @property
    def doubt(self) -> str:
        """Why the figures are not to be trusted; empty if they are."""
        spread = self.figures.get(LIMIT, {}).get("spread", 1.0)
        if spread <= TRUSTED_SPREAD:
            return ""
        return (
            f"The machine was too busy to trust these figures: the rounds of {LIMIT} "
            f"differ by a factor of {spread:.2f} (trusted up to {TRUSTED_SPREAD})."
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
    """Run A B C, A B C, ...: what else the machine does hits everyone alike."""

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
    """Sum up what the rounds found."""
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
    """Set the processor time against the limit's in the same round."""
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
