"""Compares the simulation of local/capacity with real workers: ``python -m bench.capacity``.

1, 2 and 4 worker processes drain the same backlog from the stand-in for SQS, with the receive loop
of production. Handlers sleep, so that slots are the limit and not the CPUs of this machine. The
simulation is told the number of messages, the slots and the mean duration of a handler, and nothing
that was measured. Exits with 0 if every drain took as long as predicted, within the bound, with 1
otherwise, and with 2 for invalid arguments. All traffic stays on the loopback interface.
"""

import argparse
import json
import random
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import environments, messages
from bench.figures import drained_figures
from bench.lineup import PEERS
from bench.run import wait, warm_up
from bench.stage import Died, Staging, staged
from local.capacity.drain import drain
from local.capacity.engine import Durations

WORKERS = (1, 2, 4)
MESSAGES = 1_200
MEAN = 0.2  # s in a handler
CONCURRENCY = 10
VISIBILITY_TIMEOUT = 60  # s
BOUND = 0.15  # of the measured time
PATIENCE = 120.0  # s per drain; the longest takes 24 s
SEED = 7


@dataclass(frozen=True)
class Comparison:
    """One drain, measured and simulated (s)."""

    workers: int
    measured: float
    simulated: float
    measured_p99: float
    simulated_p99: float

    @property
    def error(self) -> float:
        """The difference as a share of the measured time; above 0, the simulation was slower."""
        return self.simulated / self.measured - 1

    def line(self, bound: float) -> str:
        """Return a line of the report."""
        return (
            f"{'ok' if abs(self.error) <= bound else 'FAILED'}: {self.workers} worker(s): "
            f"measured {self.measured:.2f} s, simulated {self.simulated:.2f} s "
            f"({self.error:+.1%}); age p99 measured {self.measured_p99:.2f} s, "
            f"simulated {self.simulated_p99:.2f} s"
        )


def main() -> int:
    """Run the comparison. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="make capacity-check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--bound", type=float, default=BOUND, help="as a share: 0.15 is 15 %%")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    wanted = parser.parse_args()
    if wanted.messages < 100 or wanted.bound <= 0:
        parser.error("--messages must be at least 100, --bound above 0")
    found = []
    try:
        for workers in WORKERS:
            found.append(compare(workers, wanted.messages))
            if not wanted.json:
                print(found[-1].line(wanted.bound), flush=True)  # noqa: T201 - a command line
    except Died as error:
        print(f"FAILED: {error}", file=sys.stderr)  # noqa: T201 - a command line
        return 1
    if wanted.json:
        print(json.dumps([asdict(each) | {"error": each.error} for each in found], indent=2))  # noqa: T201 - a command line
    return int(any(abs(each.error) > wanted.bound for each in found))


def compare(workers: int, number: int) -> Comparison:
    """Measure and simulate one drain. Raises ``Died`` if the workers do not finish."""
    predicted = drain(number, workers * CONCURRENCY, Durations(MEAN), seed=SEED)
    rng = random.Random(SEED)  # noqa: S311 - not for secrets
    work = [rng.expovariate(1 / MEAN) for _ in range(number)]
    figures = measure(workers, work)
    return Comparison(
        workers, figures["wall"], predicted.seconds, figures["latency p99"] / 1000, predicted.p99
    )


def measure(workers: int, work: list[float]) -> dict[str, float]:
    """Drain messages with real workers. Raises ``Died`` if they do not finish."""
    peer = PEERS["ours"]
    with tempfile.TemporaryDirectory() as folder:
        staging = Staging(
            peer=peer,
            concurrency=CONCURRENCY,
            visibility_timeout=VISIBILITY_TIMEOUT,
            faults={},
            replicas=workers,
            trace=None,
            log=Path(folder) / "ours.log",
        )
        with staged(staging) as stage:
            bodies = [
                peer.wire(envelope, position)
                for position, envelope in enumerate(messages.envelopes(work))
            ]
            stage.load(bodies, [0.0] * len(bodies))
            stage.start_peer(environments.command(peer))
            warm_up(stage)
            stage.ask("release")
            if not wait(stage, PATIENCE):
                raise Died(f"{workers} worker(s) did not drain within {PATIENCE:.0f} s")
            return drained_figures(stage, work)


if __name__ == "__main__":
    sys.exit(main())
