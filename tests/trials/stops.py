"""SIGTERM trials: workers under load, stopped at moments that a seed decides.

    make stops ARGS="--trials 200 --seed 1"

Each is a real worker process on a queue of its own with a backlog: handlers of all durations, some
that hang, sometimes an outage of DynamoDB, sometimes messages that may have ended earlier workers.
It must end within STOP_TIMEOUT with code 0 or 75, and leave nothing hidden for longer than 5 s;
a second worker does the rest, and every order takes effect once. Exits 0 if all did, 1 if not;
``--seed 7 --trials 1`` repeats trial 7.
"""

import argparse
import os
import shutil
import signal
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from botocore.exceptions import BotoCoreError
from support.aws_calls import client
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from local.aws.embedded import EmbeddedAws
from local.system import STOP_TIMEOUT
from local.tether import Tether
from trials.report import INTERRUPTED, Check, Progress, conclude, count
from trials.stop import HIDDEN, Plan, Trial
from workers.runtime.errors import Unavailable

TRIES = 5  # of one trial
LANES = 3  # trials at a time, each on an embedded AWS of its own
DIRECTORY = Path(".workers/stops")  # the logs of the last run
TOLD = 10  # trials between lines of progress
EXAMPLES = """examples:
  make stops                                   200 trials
  make stops ARGS="--trials 20 --seed 5"       seeds 5 to 24
  make stops ARGS="--trials 1 --seed 7"        number 7 again
"""

_lane = {}  # of this process: its AWS and clients


def start_lane(group):
    """Start an AWS for the trials of this process. It ends with it, and this with its parent."""
    os.setpgid(0, group)
    aws = EmbeddedAws()
    aws.start()
    os.environ |= aws.environment({})
    _lane.update(aws=aws, sqs=client("sqs"), dynamodb=client("dynamodb"))


def play(seed, directory):
    """Play one trial in this process's lane.

    Once more if the AWS of the lane kept us waiting, on a machine that is too busy: that says
    nothing about the worker.
    """
    again = Retrying(
        retry=retry_if_exception_type((BotoCoreError, OSError, Unavailable)),
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )
    return again(lambda: Trial(Plan.of(seed), **_lane, directory=directory).play())


def undergo(seeds, lanes, directory, progress):
    """Play a trial for every seed; gives the results as they come in."""
    results = []
    lanes = min(lanes, len(seeds))
    spawn = get_context("spawn")
    with (
        Tether() as tether,
        ProcessPoolExecutor(lanes, spawn, initializer=start_lane, initargs=(tether.group,)) as pool,
    ):
        for result in pool.map(play, seeds, [directory] * len(seeds)):
            results.append(result)
            for wrong in result.wrong:
                progress.tell(f"seed {result.plan.seed}: {wrong}")
            if len(results) % TOLD == 0 or len(results) == len(seeds):
                failed = sum(bool(each.wrong) for each in results)
                progress.tell(f"{len(results)} of {len(seeds)} trials, {failed} failed")
    return results


def figures_of(results):
    """Say what was measured."""
    codes = Counter(result.code for result in results)
    return {
        "trials": len(results),
        "with an outage": sum(r.plan.outage is not None for r in results),
        "with suspects": sum(r.plan.suspects > 0 for r in results),
        "messages": sum(len(r.plan.orders) for r in results),
        "of them left to the next worker": sum(r.handed_back for r in results),
        "exit codes": ", ".join(f"{code}: {n}" for code, n in sorted(codes.items())),
        "longest stop (s)": max(r.seconds for r in results),
        "longest hidden afterwards (s)": max(r.hidden for r in results),
    }


def checks_of(results):
    """Give the verdicts; each trial that failed says what to type to see it again."""
    late = [_again(r, f"{r.seconds} s") for r in results if r.seconds > STOP_TIMEOUT]
    hidden = [_again(r, f"{r.hidden} s") for r in results if r.hidden >= HIDDEN]
    wrong = [_again(r, "; ".join(r.wrong)) for r in results if r.wrong]
    return [
        Check(f"every worker ended within {STOP_TIMEOUT} s", tuple(late)),
        Check(f"nothing was hidden for longer than {HIDDEN:.0f} s", tuple(hidden)),
        Check("codes, effects and dead-letter queues are right", tuple(wrong)),
    ]


def _again(result, what):
    return f'{what} (make stops ARGS="--trials 1 --seed {result.plan.seed}")'


def main(arguments=None):
    """Play the trials that the command line asks for; gives the exit code."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        # What was started is tethered to this process and ends with it.
        signal.signal(number, lambda *_: os._exit(INTERRUPTED))
    progress = Progress(as_json=options.json)
    seeds = range(options.seed, options.seed + options.trials)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    results = undergo(seeds, options.lanes, DIRECTORY.absolute(), progress)
    return conclude(progress, figures_of(results), checks_of(results), as_json=options.json)


def _parser():
    parser = argparse.ArgumentParser(
        prog="make stops",
        description=__doc__.partition("\n")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trials", type=count, default=200, help="how many (200)")
    parser.add_argument("--seed", type=count, default=1, help="of the first; each has the next (1)")
    parser.add_argument("--lanes", type=count, default=LANES, help=f"at a time ({LANES})")
    parser.add_argument("--json", action="store_true", help="print one JSON document at the end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
