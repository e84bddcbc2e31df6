"""The command line of the benchmark."""

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import document, environments, report
from bench.lineup import PEERS
from bench.progress import Plan, Step
from bench.results import FILE, NotResults, load, save
from bench.rounds import Result, play
from bench.run import Conditions
from bench.scenarios import SCENARIOS
from bench.stamp import stamp

INTERRUPTED = 130  # exit code
WIDE = 160  # characters
EXAMPLES = """examples:
  make bench
  make bench ARGS="noop"
  make bench ARGS="noop --peers limit-boto3,naive,ours --rounds 3"
  make bench ARGS="sleep50 heavy --peers all --markdown"
  make bench ARGS="noop --messages 500 --rounds 1"
  make bench ARGS="--from FOLDER1 FOLDER2 --document"

scenarios, and how long they take on two quiet cores, without installing peers:
"""


def main() -> int:
    """Run the requested scenarios, or read their results. Returns the exit code.

    It is 0 if every peer of this project finished.
    """
    parser = _parser()
    arguments = parser.parse_args()
    try:
        results = _read(arguments) if arguments.folders else _measure(arguments)
    except NotResults as error:
        parser.error(str(error))
    if len(results) > 1:
        report.show_summary(_console(), results)
    if arguments.markdown:
        sys.stdout.write(report.markdown(results) + "\n")
    if arguments.document:
        document.update(results)
    return int(any(name.startswith("ours") for each in results for name in each.problems))


def _read(arguments: argparse.Namespace) -> list[Result]:
    """Show the results of earlier calls. Raises ``NotResults``."""
    wanted = arguments.scenarios or SCENARIOS
    results = [each for each in load(arguments.folders) if each.scenario.name in wanted]
    for result in results:
        report.show(_console(), result)
    return results


def _measure(arguments: argparse.Namespace) -> list[Result]:
    """Run the scenarios.

    Write the results after every round, so that an interrupted call keeps them.
    """
    folder = environments.HOME / "results" / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}-{os.getpid()}"
    folder.mkdir(parents=True)
    file = arguments.json or folder / FILE
    progress = Console(stderr=True, style="dim", highlight=False)

    def end(*_: object) -> None:
        # Everything that was started is tethered to this process and ends with it.
        os.write(2, f"\nInterrupted. Finished rounds: {file}\n".encode())
        os._exit(INTERRUPTED)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    plan = _plan(arguments)
    peers = {peer.name: peer for step in plan.steps for peer in step.peers}
    progress.print(", ".join(f"{name}: {text}" for name, text in stamp().items()))
    environments.prepare(peers.values(), lambda line: progress.print(line, soft_wrap=True))
    results: dict[str, Result] = {}
    begin = time.monotonic()
    for position, step in enumerate(plan.steps):
        name = step.scenario.name
        progress.print(plan.line(position, time.monotonic() - begin), soft_wrap=True)
        for result in play(
            step.scenario,
            step.peers,
            step.rounds,
            conditions=Conditions(arguments.messages, arguments.wrapped),
            folder=folder,
            tell=lambda run: progress.print(report.progress(run), soft_wrap=True),
            stamp={"command": _command(name, arguments), **stamp()},
        ):
            results[name] = result
            save(results.values(), file)
        report.show(_console(), results[name])
    minutes = (time.monotonic() - begin) / 60
    progress.print(f"{minutes:.1f} min. Results: {file}; logs: {folder}", soft_wrap=True)
    return list(results.values())


def _plan(arguments: argparse.Namespace) -> Plan:
    steps = []
    for name in dict.fromkeys(arguments.scenarios or SCENARIOS):
        scenario = SCENARIOS[name]
        peers = [PEERS[peer] for peer in arguments.peers or scenario.peers]
        peers = [peer for peer in peers if peer.takes_part(name)]
        if peers:
            steps.append(Step(scenario, peers, arguments.rounds or scenario.rounds))
    return Plan(steps)


def _command(scenario: str, arguments: argparse.Namespace) -> str:
    """Return the command that runs one scenario as this call does."""
    options = {
        "--peers": arguments.peers and ",".join(arguments.peers),
        "--rounds": arguments.rounds,
        "--messages": arguments.messages,
    }
    given = [word for name, value in options.items() if value for word in (name, str(value))]
    wrapped = ["--wrapped"] if arguments.wrapped else []
    return f'make bench ARGS="{shlex.join([scenario, *given, *wrapped])}"'


def _console() -> Console:
    """Create the console for the tables, ``WIDE`` if the output is not a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def _parser() -> argparse.ArgumentParser:
    steps = _plan(argparse.Namespace(scenarios=[], peers=None, rounds=None)).steps
    titles = "\n".join(
        f"  {each.scenario.name:13} {each.seconds / 60:3.0f} min  {each.scenario.title}"
        for each in steps
    )
    total = sum(each.seconds for each in steps) / 60
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Benchmark the receive loop against its peers on a stand-in for AWS.",
        epilog=(
            f"{EXAMPLES}{titles}\n  {'all':13} {total:3.0f} min\n\npeers:\n  {', '.join(PEERS)}"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", type=_scenario, help="default: all"
    )
    parser.add_argument(
        "--peers",
        type=_peers,
        help="comma-separated names, or all (default: depends on the scenario)",
    )
    parser.add_argument("--rounds", type=int, help="default: depends on the scenario")
    parser.add_argument(
        "--messages", type=int, help="number of messages (default: depends on the scenario)"
    )
    parser.add_argument(
        "--wrapped", action="store_true", help="wrap messages as SNS does without raw delivery"
    )
    parser.add_argument(
        "--from",
        dest="folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="measure nothing: show the results in these folders or files, also of calls that "
        "were interrupted; a scenario that several of them have is taken from the one with the "
        "most rounds, at equal rounds from the last",
    )
    parser.add_argument("--markdown", action="store_true", help="also print Markdown at the end")
    parser.add_argument(
        "--document", action="store_true", help="replace all tables of docs/BENCHMARK.md by these"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    return parser


def _scenario(name: str) -> str:
    if name not in SCENARIOS:
        raise argparse.ArgumentTypeError(f"unknown scenario {name}; known: {', '.join(SCENARIOS)}")
    return name


def _peers(text: str) -> Sequence[str]:
    names = list(PEERS) if text == "all" else text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"unknown peer {name}; known: {', '.join(PEERS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
