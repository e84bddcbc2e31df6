"""An outage, waited out: minutes of DynamoDB or SNS answering 500, under load.

    make outage ARGS="--service dynamodb --minutes 10 --tasks 4"

Every consuming service runs so many tasks; order-api and relay run one each. While the service
answers nothing but 500, messages keep coming. Then it is well again, and nobody helps. Exits 0 if
no dead-letter queue got anything, the backlog went, and every order took effect once; 1 if not.

While DynamoDB is down order-api accepts nothing, so order.created goes straight to the topic. While
SNS is down order-api accepts, and the relay publishes later; the event of every second order is
delivered to its queues at once, as SNS does late with what it accepted before, so that handlers
have outcomes to publish.
"""

import argparse
import json
import os
import signal
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
from trials.report import INTERRUPTED, Check, Progress, conclude, count, positive
from workers.aws import names
from workers.ops.dlq import look
from workers.ops.queues import Queues
from workers.runtime.errors import Unavailable

SERVICES = ("dynamodb", "sns")
LOOK_TIMEOUT = 60.0  # s
GLANCE = 1.0  # s between looks at the queues
TOLD = 30.0  # s between lines of progress
# s after which a backlog is taken for stuck: what the environment refuses comes back within an hour
PATIENCE = 3_900.0
START = 300.0  # s for all processes to get ready
DIRECTORY = Path(".workers")
EXAMPLES = """examples:
  make outage                                  ten minutes of DynamoDB, four tasks
  make outage ARGS="--service sns"             of SNS
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
        self._dead = Counter()  # the most there ever was in each dead-letter queue
        # Looking is no part of the trial: on a busy machine it may have to be tried again.
        self._patiently = Retrying(
            retry=retry_if_exception_type((Unavailable, OSError, httpx.HTTPError)),
            stop=stop_after_delay(LOOK_TIMEOUT),
            wait=wait_fixed(GLANCE),
            reraise=True,
        )

    def run(self):
        """Break, load, mend, wait; gives figures and checks."""
        planned = max(1, int(self.seconds / self.every))
        self._shop.fill(planned)
        self.system.aws.inject([Rule(operation=f"{self.service}.*", mode="error")])
        self.progress.tell(f"{self.service} answers 500 from now on")
        self._load(planned)
        faults = self._patiently(self.system.aws.heal)
        self.progress.tell(f"{self.service} answers again")
        half, whole = self._drain()
        receives = receives_of(self.system.directory)
        figures = {
            "orders": planned,
            "requests answered with 500": faults["fired"].get("error", 0),
            "half of the backlog gone after (s)": half,
            "all of it (s)": whole,
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
        """Wait until nothing is left; gives after how long half of it was gone, and all."""
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
        """Look at all queues; gives how many messages there are. Tells now and then."""
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
        """Count what has reached SNS: queues are looked at one after the other."""
        counts = self._patiently(self.system.aws.requests)["services"].get("sns", {})
        return counts.get("Publish", 0) + counts.get("PublishBatch", 0)

    def _checks(self, drained):
        stuck = () if drained is not None else (f"not after {PATIENCE:.0f} s",)
        restarts = self.system.processes.restarts
        return [
            Check("no dead-letter queue ever held anything", self._dead_letters()),
            Check("the backlog went by itself", stuck),
            *check_effects(self.system, self.orders),
            Check("no process ended", (f"{restarts} restarts",) if restarts else ()),
        ]

    def _dead_letters(self):
        sqs, settings = self.system.clients.control(), self.system.settings
        return tuple(
            f"{most} in that of {service}: "
            + ", ".join(
                letter.reason for letter in look(sqs, names.dlq_url(sqs, settings, service))
            )
            for service, most in self._dead.items()
            if most
        )


def receives_of(directory):
    """Read from the logs how often each message was received until it was done, by its id."""
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
    """Start everything, play the trial, stop everything; gives figures and checks."""
    with System(directory) as system:
        for consumer in system.topology.consumers:
            system.processes.scale(consumer, tasks)
        system.processes.wait_until_ready(START)
        progress.tell(f"{len(system.processes.children)} processes are ready")
        return Outage(system, progress, service, seconds, every).run()


def main(arguments=None):
    """Run the trial that the command line asks for; gives the exit code."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        # What was started is tethered to this process and ends with it.
        signal.signal(number, lambda *_: os._exit(INTERRUPTED))
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


def _parser():
    parser = argparse.ArgumentParser(
        prog="make outage",
        description=__doc__.partition("\n")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--service", choices=SERVICES, default=SERVICES[0], help="what is down")
    parser.add_argument("--minutes", type=positive, default=10.0, help="for how long (10)")
    parser.add_argument("--every", type=positive, default=2.0, help="s between two orders (2)")
    parser.add_argument("--tasks", type=count, default=4, help="of each consuming service (4)")
    parser.add_argument("--json", action="store_true", help="print one JSON document at the end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
