"""Runs the rounds of a scenario: peers take turns, and medians are compared."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.figures import Figures
from bench.lineup import LIMIT, WIRE, Peer
from bench.run import Conditions, Run, run
from bench.scenarios import Scenario
from bench.targets import TARGETS, Target, Verdict

# Above this ratio (slowest / fastest round of a peer) the machine was too busy.
TRUSTED_SPREAD = 1.5
Ranges = dict[str, tuple[float, float]]  # lowest and highest of the rounds, by figure


@dataclass(frozen=True)
class Result:
    """All runs of a scenario, their medians and their ranges."""

    scenario: Scenario
    runs: tuple[Run, ...]
    figures: dict[str, Figures]  # by peer, medians
    ranges: dict[str, Ranges]  # by peer
    problems: dict[str, str]  # by peer
    stamp: Mapping[str, str] = field(default_factory=dict)  # command, commit, machine, load

    @property
    def rounds(self) -> int:
        """The number of rounds played."""
        return max(Counter(run_.peer for run_ in self.runs).values())

    @property
    def verdicts(self) -> list[Verdict]:
        """Whether this project reaches its targets."""
        judged = (target.judge(self.figures) for target in TARGETS[self.scenario.name])
        return [verdict for verdict in judged if verdict]

    @property
    def unjudged(self) -> list[Target]:
        """The targets for which a figure is missing, because a peer failed or did not take part."""
        return [target for target in TARGETS[self.scenario.name] if not target.judge(self.figures)]

    @property
    def doubts(self) -> list[str]:
        """The reasons not to trust figures, one for each peer whose rounds differ too much."""
        return [
            f"The machine was too busy to trust the figures of {peer}: the CPU time of its rounds "
            f"differs by a factor of {spread:.2f} (limit: {TRUSTED_SPREAD})."
            for peer, figures in self.figures.items()
            if (spread := figures.get("spread", 1.0)) > TRUSTED_SPREAD
        ]


def play(
    scenario: Scenario,
    peers: Sequence[Peer],
    rounds: int,
    *,
    conditions: Conditions,
    folder: Path,
    tell: Callable[[Run], None],
    stamp: Mapping[str, str],
) -> Iterator[Result]:
    """Run A B C, A B C, ...: other load on the machine affects all peers alike.

    Yields the result so far after every round.
    """

    def one(peer: Peer, seed: int) -> Run:
        done = run(peer, scenario, conditions, folder, seed=seed)
        tell(done)
        return done

    played: list[list[Run]] = []
    for number in range(rounds):
        if scenario.together:
            with ThreadPoolExecutor(len(peers)) as pool:
                played.append(list(pool.map(one, peers, [number] * len(peers))))
        else:
            played.append([one(peer, number) for peer in peers])
        yield compare(scenario, played, stamp)


def compare(
    scenario: Scenario, rounds: Sequence[Sequence[Run]], stamp: Mapping[str, str] | None = None
) -> Result:
    """Combine the runs of all rounds into a result."""
    compared = [_with_ratios(run_, round_) for round_ in rounds for run_ in round_]
    names = dict.fromkeys(run_.peer for run_ in compared)
    mine = {name: [run_ for run_ in compared if run_.peer == name] for name in names}
    return Result(
        scenario,
        tuple(compared),
        {
            name: _medians([run_.figures for run_ in runs if run_.figures])
            for name, runs in mine.items()
        },
        {name: _ranges([run_.figures for run_ in runs]) for name, runs in mine.items()},
        {name: problem for name, runs in mine.items() if (problem := _problem(runs))},
        stamp or {},
    )


def _with_ratios(run_: Run, others: Sequence[Run]) -> Run:
    """Add the ratios of the CPU time to that of each limit in the same round."""
    for name, limit in (("ratio", LIMIT), ("wire", WIRE)):
        spent = next((each.figures.get("cpu") for each in others if each.peer == limit), None)
        if spent and "cpu" in run_.figures:
            run_.figures[name] = run_.figures["cpu"] / spent
    return run_


def _medians(rounds: Sequence[Figures]) -> Figures:
    names = dict.fromkeys(name for figures in rounds for name in figures)
    medians = {name: median(f[name] for f in rounds if name in f) for name in names}
    times = [figures["cpu"] for figures in rounds if figures.get("cpu")]
    return medians | ({"spread": max(times) / min(times)} if times else {})


def _ranges(rounds: Sequence[Figures]) -> Ranges:
    names = dict.fromkeys(name for figures in rounds for name in figures)
    values = {name: [f[name] for f in rounds if name in f] for name in names}
    return {name: (min(found), max(found)) for name, found in values.items()}


def _problem(runs: Sequence[Run]) -> str:
    """Return the first problem, and in how many of the rounds there was one."""
    problems = [run_.problem for run_ in runs if run_.problem]
    if len(problems) == len(runs):
        return problems[0]
    return f"{len(problems)} of {len(runs)} rounds: {problems[0]}" if problems else ""
