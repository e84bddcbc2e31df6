"""SIGTERM trials: workers under load, stopped at moments that a seed decides.

    make stops ARGS="--trials 200 --seed 1"

Each trial runs a real worker process on its own queue with a backlog: handlers of all durations,
some that hang, sometimes an outage of DynamoDB, sometimes messages that may have ended earlier
workers. The worker must end within STOP_TIMEOUT with code 0 or 75, and leave nothing hidden for
longer than 5 s. A second worker does the rest, and every order must take effect once. Exits with 0
if all trials passed, with 1 if not; ``--seed 7 --trials 1`` repeats trial 7.
"""

import os
import shutil
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
from trials.report import Check, Progress, conclude, count, exit_on_signals, parser
from trials.stop import HIDDEN, Plan, Trial
from workers.runtime.errors import Unavailable

TRIES = 5  # of one trial
LANES = 3  # trials at a time, each on its own embedded AWS
DIRECTORY = Path(".workers/stops")  # the logs of the last run
TOLD = 10  # trials between lines of progress
EXAMPLES = """examples:
  make stops                                   200 trials
  make stops ARGS="--trials 20 --seed 5"       seeds 5 to 24
  make stops ARGS="--trials 1 --seed 7"        repeat trial 7
"""

_lane = {}  # of this process: its AWS and clients


def start_lane(group):
    """Start an AWS for the trials of this process. Both end with the parent process."""
    os.setpgid(0, group)
    aws = EmbeddedAws()
    aws.start()
    os.environ |= aws.environment({})
    _lane.update(aws=aws, sqs=client("sqs"), dynamodb=client("dynamodb"))


def play(seed, directory):
    """Run one trial in this process's lane.

    Repeat it if the lane's AWS was too slow, on a busy machine: that says nothing about the
    worker.
    """
    again = Retrying(
        retry=retry_if_exception_type((BotoCoreError, OSError, Unavailable)),
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )
    return again(lambda: Trial(Plan.of(seed), **_lane, directory=directory).play())


def undergo(seeds, lanes, directory, progress):
    """Run a trial for every seed; return the results."""
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
    """Return the measurements."""
    codes = Counter(result.code for result in results)
    return {
        "trials": len(results),
        "with an outage": sum(r.plan.outage is not None for r in results),
        "with suspects": sum(r.plan.suspects > 0 for r in results),
        "messages": sum(len(r.plan.orders) for r in results),
        "messages left to the next worker": sum(r.handed_back for r in results),
        "exit codes": ", ".join(f"{code}: {n}" for code, n in sorted(codes.items())),
        "longest stop (s)": max(r.seconds for r in results),
        "longest hidden afterwards (s)": max(r.hidden for r in results),
    }


def checks_of(results):
    """Return the verdicts; each failed trial names the command that repeats it."""
    late = [_again(r, f"{r.seconds} s") for r in results if r.seconds > STOP_TIMEOUT]
    hidden = [_again(r, f"{r.hidden} s") for r in results if r.hidden >= HIDDEN]
    wrong = [_again(r, "; ".join(r.wrong)) for r in results if r.wrong]
    return [
        Check(f"every worker ended within {STOP_TIMEOUT} s", tuple(late)),
        Check(f"nothing was hidden for longer than {HIDDEN:.0f} s", tuple(hidden)),
        Check("exit codes, effects and dead-letter queues are right", tuple(wrong)),
    ]


def _again(result, what):
    return f'{what} (make stops ARGS="--trials 1 --seed {result.plan.seed}")'


def main(arguments=None):
    """Run the trials that the command line selects; return the exit code."""
    options = _options(arguments)
    exit_on_signals()
    progress = Progress(as_json=options.json)
    seeds = range(options.seed, options.seed + options.trials)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    results = undergo(seeds, options.lanes, DIRECTORY.absolute(), progress)
    return conclude(progress, figures_of(results), checks_of(results), as_json=options.json)


def _options(arguments):
    known = parser("make stops", __doc__, EXAMPLES)
    known.add_argument("--trials", type=count, default=200, help="number of trials (200)")
    known.add_argument("--seed", type=count, default=1, help="seed of the first trial (1)")
    known.add_argument("--lanes", type=count, default=LANES, help=f"trials at a time ({LANES})")
    return known.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
