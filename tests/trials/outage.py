"""Outage trial: DynamoDB or SNS returns 500 for minutes, under load.

    make outage ARGS="--service dynamodb --minutes 10 --tasks 4"

Every consuming service runs this many tasks; order-api and relay run one each. Messages keep coming
during the outage. After it, nothing is restarted or redriven. Exits with 0 if nothing was
dead-lettered, the backlog was worked off and every order took effect once; with 1 if not.

While DynamoDB is down, order-api accepts no orders, so the trial publishes order.created itself.
While SNS is down, order-api accepts orders and the relay publishes them later. The trial delivers
every second event to its queues at once, as if SNS had accepted it before the outage, so that
handlers have outcomes to publish.
"""

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from local.aws.faults.rules import Rule
from local.demo import tables
from local.system import System
from trials.orders import Shop, check_effects
from trials.report import Check, Progress, conclude, count, exit_on_signals, parser, positive
from workers.aws import names
from workers.ops.dlq import look
from workers.ops.queues import Queues
from workers.runtime.errors import Unavailable

SERVICES = ("dynamodb", "sns")
LOOK_TIMEOUT = 60.0  # s
GLANCE = 1.0  # s between looks at the queues
TOLD = 30.0  # s between lines of progress
# s after which a backlog counts as stuck: postponed messages return within an hour
PATIENCE = 3_900.0
START = 300.0  # s for all processes to get ready
DIRECTORY = Path(".workers")
EXAMPLES = """examples:
  make outage                                  DynamoDB, ten minutes, four tasks
  make outage ARGS="--service sns"             SNS
  make outage ARGS="--minutes 0.5 --every 0.5 --tasks 1"
"""


@dataclass
class Outage:
    """One run of the trial on a running system."""

    system: System
    progress: Progress
    service: str
    seconds: float
    every: float  # s between two orders
    orders: list = field(default_factory=list)

    def __post_init__(self):
        self._shop = Shop(self.system)
        self._queues = Queues(self.system.clients, self.system.settings, self.system.topology)
        self._told_at = 0.0
        self._dead = Counter()  # the highest depth of each dead-letter queue
        # These calls only observe: on a busy machine they may need a retry.
        self._patiently = Retrying(
            retry=retry_if_exception_type((Unavailable, OSError, httpx.HTTPError)),
            stop=stop_after_delay(LOOK_TIMEOUT),
            wait=wait_fixed(GLANCE),
            reraise=True,
        )

    def run(self):
        """Break the service, place orders, repair it and wait; return figures and checks."""
        planned = max(1, int(self.seconds / self.every))
        self._shop.fill(planned)
        self.system.aws.inject([Rule(operation=f"{self.service}.*", mode="error")])
        self.progress.tell(f"{self.service} returns 500 from here on")
        self._load(planned)
        faults = self._patiently(self.system.aws.heal)
        self.progress.tell(f"{self.service} works again")
        half, whole = self._drain()
        receives = receives_of(self.system.directory)
        figures = {
            "orders": planned,
            "requests that got 500": faults["fired"].get("error", 0),
            "half of the backlog worked off (s)": half,
            "all of the backlog worked off (s)": whole,
            "messages settled": len(receives),
            "receives per message": round(sum(receives.values()) / max(1, len(receives)), 2),
            "most receives of a message": max(receives.values(), default=0),
        }
        return figures, self._checks(whole)

    def _load(self, planned):
        started = time.monotonic()
        for number in range(planned):
            self._order(number)
            until = started + (number + 1) * self.every
            while (left := until - time.monotonic()) > 0:
                self._look("outage")
                time.sleep(min(left, GLANCE))

    def _order(self, number):
        if self.service == "dynamodb":
            self.orders.append(self._patiently(self._shop.publish, number))
            return
        order_id, event_id = self._patiently(self._shop.place, number)
        self.orders.append(order_id)
        if number % 2:
            self._shop.deliver(event_id)

    def _drain(self):
        """Wait until nothing is left; return the seconds until half of it was gone, and all."""
        started = time.monotonic()
        at_first, half = None, None
        while (passed := time.monotonic() - started) < PATIENCE:
            published = self._published()
            left = self._look("drain") + self._unpublished()
            at_first = at_first or left
            if half is None and left <= at_first / 2:
                half = round(passed, 1)
            if left == 0 and published == self._published():
                self._told_at = 0.0
                self._look("drained")
                return half, round(passed, 1)
            time.sleep(GLANCE)
        return half, None

    def _look(self, stage):
        """Return the number of messages in all queues; report progress now and then."""
        states = self._patiently(self._queues.states)
        left = sum(state.visible + state.in_flight + state.delayed for state in states)
        for state in states:
            self._dead[state.service] = max(self._dead[state.service], state.dead)
        if time.monotonic() - self._told_at >= TOLD:
            self._told_at = time.monotonic()
            in_flight = sum(state.in_flight for state in states)
            self.progress.tell(
                f"{stage}: {len(self.orders)} orders, {left} messages in queues, "
                f"{in_flight} of them in flight, {sum(self._dead.values())} dead letters"
            )
        return left

    def _unpublished(self):
        dynamodb = self.system.clients.dynamodb()
        return self._patiently(tables.count_unpublished, dynamodb, self.system.settings)

    def _published(self):
        """Count the requests to SNS, to notice a message that moved between two looks."""
        counts = self._patiently(self.system.aws.requests)["services"].get("sns", {})
        return counts.get("Publish", 0) + counts.get("PublishBatch", 0)

    def _checks(self, drained):
        stuck = () if drained is not None else (f"not after {PATIENCE:.0f} s",)
        restarts = self.system.processes.restarts
        return [
            Check("nothing was ever dead-lettered", self._dead_letters()),
            Check("the backlog was worked off without help", stuck),
            *check_effects(self.system, self.orders),
            Check("no process ended", (f"{restarts} restarts",) if restarts else ()),
        ]

    def _dead_letters(self):
        sqs, settings = self.system.clients.control(), self.system.settings
        return tuple(
            f"{most} of {service}: "
            + ", ".join(
                letter.reason for letter in look(sqs, names.dlq_url(sqs, settings, service))
            )
            for service, most in self._dead.items()
            if most
        )


def receives_of(directory):
    """Read from the logs how often each message was received until it was settled, by id."""
    receives = {}
    for path in directory.glob("*.log"):
        for line in path.read_text("utf-8", "replace").splitlines():
            if '"message.settled"' in line:
                try:
                    settled = json.loads(line)
                except ValueError:
                    continue
                key = settled["messageId"]
                receives[key] = max(receives.get(key, 0), settled["receiveCount"])
    return receives


def undergo(directory, progress, *, service, seconds, every, tasks):
    """Run the trial on a new system; return figures and checks."""
    with System(directory) as system:
        for consumer in system.topology.consumers:
            system.processes.scale(consumer, tasks)
        system.processes.wait_until_ready(START)
        progress.tell(f"{len(system.processes.children)} processes are ready")
        return Outage(system, progress, service, seconds, every).run()


def main(arguments=None):
    """Run the trial with the options of the command line; return the exit code."""
    options = _options(arguments)
    exit_on_signals()
    progress = Progress(as_json=options.json)
    figures, checks = undergo(
        DIRECTORY / f"outage-{options.service}",
        progress,
        service=options.service,
        seconds=options.minutes * 60,
        every=options.every,
        tasks=options.tasks,
    )
    return conclude(progress, figures, checks, as_json=options.json)


def _options(arguments):
    known = parser("make outage", __doc__, EXAMPLES)
    known.add_argument(
        "--service",
        choices=SERVICES,
        default=SERVICES[0],
        help=f"service that fails ({SERVICES[0]})",
    )
    known.add_argument(
        "--minutes", type=positive, default=10.0, help="minutes that the outage lasts (10)"
    )
    known.add_argument("--every", type=positive, default=2.0, help="seconds between orders (2)")
    known.add_argument("--tasks", type=count, default=4, help="tasks of each consuming service (4)")
    return known.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
