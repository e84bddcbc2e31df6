"""The command line of the benchmark."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import environments, report
from bench.lineup import PEERS
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

scenarios:
"""


def main() -> int:
    """Run the requested scenarios. Returns 0 if every peer of this project finished."""
    arguments = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Everything that was started is tethered to this process and ends with it.
        signal.signal(number, lambda *_: os._exit(INTERRUPTED))
    folder = environments.HOME / "results" / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}-{os.getpid()}"
    folder.mkdir(parents=True)
    document = arguments.json or folder / "results.json"
    console, progress = _console(), Console(stderr=True, style="dim", highlight=False)
    results: list[Result] = []
    progress.print(", ".join(f"{name}: {text}" for name, text in stamp().items()))
    for name in arguments.scenarios or SCENARIOS:
        scenario = SCENARIOS[name]
        peers = [PEERS[peer] for peer in arguments.peers or scenario.peers]
        peers = [peer for peer in peers if peer.takes_part(name)]
        progress.print(f"{name}: {', '.join(peer.name for peer in peers)}")
        result = play(
            scenario,
            peers,
            arguments.rounds or scenario.rounds,
            conditions=Conditions(arguments.messages, arguments.wrapped),
            folder=folder,
            tell=lambda run: progress.print(report.progress(run), soft_wrap=True),
        )
        results.append(result)
        report.show(console, result)
        report.save(results, document)
    if len(results) > 1:
        report.show_summary(console, results)
    if arguments.markdown:
        sys.stdout.write(report.markdown(results) + "\n")
    progress.print(f"Results: {document}; logs: {folder}", soft_wrap=True)
    return int(any(name.startswith("ours") for each in results for name in each.problems))


def _console() -> Console:
    """Create the console for the tables, ``WIDE`` if the output is not a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def _parser() -> argparse.ArgumentParser:
    titles = "\n".join(f"  {name:13} {each.title}" for name, each in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Benchmark the receive loop against its peers on a stand-in for AWS.",
        epilog=f"{EXAMPLES}{titles}\n\npeers:\n  {', '.join(PEERS)}",
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
    parser.add_argument("--markdown", action="store_true", help="also print Markdown at the end")
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


sys.exit(main())
