"""Checks that the memory of the receive loop does not grow: ``python -m bench.soak``.

200,000 messages go through the receive loop of production, with log lines and metrics, on a store
that keeps nothing and the stand-in for SQS. Resident memory is read after each round. Exits with 0
if the second half of the messages added at most the bound, with 1 if it added more or a message
was lost, duplicated or dead-lettered, and with 2 for invalid arguments.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from bench import environments, messages
from bench.lineup import PEERS
from bench.run import wait, warm_up
from bench.stage import Died, Stage, staged
from bench.staging import Staging

MESSAGES = 200_000
ROUNDS = 20  # readings of the memory
# A leak of 32 bytes per message adds 3.1 MiB in the second half. Without a leak, memory that the
# allocators keep varies by a few tenths of a MiB.
BOUND = 3.0  # MiB
CONCURRENCY = 20
VISIBILITY_TIMEOUT = 30  # s
PATIENCE = 120.0  # s per round, which takes 5 s on an idle machine


def main() -> int:
    """Run the soak test and print the memory over time. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument(
        "--bound", type=float, default=BOUND, help="limit for the growth in the second half (MiB)"
    )
    wanted = parser.parse_args()
    if wanted.messages < ROUNDS or wanted.bound <= 0:
        parser.error(f"--messages must be at least {ROUNDS}, --bound above 0")
    per_round = wanted.messages // ROUNDS
    try:
        with tempfile.TemporaryDirectory() as folder:
            resident = list(soak(per_round, Path(folder) / "ours.log"))
    except Died as error:
        print(f"FAILED: {error}", file=sys.stderr)  # noqa: T201 - a command line
        return 1
    grown = resident[-1] - resident[len(resident) // 2]
    steps = max(later - earlier for earlier, later in pairwise(resident[len(resident) // 2 :]))
    held = grown <= wanted.bound
    print(  # noqa: T201 - a command line
        f"{'ok' if held else 'FAILED'}: {per_round * ROUNDS:,} messages; growth in the second half "
        f"{grown:+.1f} MiB, limit {wanted.bound:.1f} (largest step {steps:+.1f})"
    )
    return 0 if held else 1


def soak(per_round: int, log: Path) -> Iterator[float]:
    """Run the rounds. Yields the resident memory (MiB) at the start and after each round.

    Raises ``Died`` if the loop ends, or does not handle each message exactly once.
    """
    peer = PEERS["ours"]
    staging = Staging(
        peer=peer,
        concurrency=CONCURRENCY,
        visibility_timeout=VISIBILITY_TIMEOUT,
        faults={},
        replicas=1,
        trace=None,
        log=log,
    )
    bodies = messages.envelopes([0.0] * per_round)
    command = environments.command(peer)
    with staged(staging) as stage:
        stage.start_peer(command)
        warm_up(stage)
        yield _read(stage, 0)
        for number in range(1, ROUNDS + 1):
            stage.load(bodies, [0.0] * per_round)
            stage.ask("release")
            if not wait(stage, PATIENCE):
                raise Died(f"round {number} did not finish within {PATIENCE:.0f} s")
            _check(stage, per_round)
            yield _read(stage, number * per_round)


def _check(stage: Stage, expected: int) -> None:
    """Raise ``Died`` unless each message of the round was delivered once and deleted."""
    queues = stage.ask("report")["queues"]
    queue, dead = (queues[f"{stage.staging.peer.queue}{suffix}"] for suffix in ("", "-dlq"))
    found = queue.get("delivered", 0), queue.get("deleted", 0), dead["live"]
    if found != (expected, expected, 0):
        raise Died(f"expected {expected} messages; delivered, deleted, dead: {found}")


def _read(stage: Stage, done: int) -> float:
    (memory,) = stage.memory()
    print(f"{done:>9,} messages  {memory.resident:6.1f} MiB", flush=True)  # noqa: T201 - a command line
    return memory.resident


if __name__ == "__main__":
    sys.exit(main())
