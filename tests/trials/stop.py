"""One SIGTERM trial: a worker under load is stopped at a moment that a seed decides.

The worker must end in time. Every message must be deleted with its effect committed, or be visible
to others within ``HIDDEN`` seconds. A second worker handles the rest; then every order has taken
effect once, and the dead-letter queue is empty.
"""

import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGTERM
from uuid import uuid4

from support.eventually import eventually
from support.real_process import Process
from support.world import SERVICE, World

from local.aws.faults.rules import Rule
from local.system import STOP_TIMEOUT
from workers.runtime.worker import DONE, INTERRUPTED

OBEDIENT = (
    sys.executable,
    str(Path(__file__).parents[1] / "process" / "obedient.py"),
    "run",
    SERVICE,
)
HIDDEN = 5.0  # s for which a message may stay invisible after the end
VISIBILITY = 60  # s; far longer, so that a message that is not handed back is noticed
LONGEST_WAIT = 8.0  # s for the moment of the signal, if it does not come
DRAIN = 90.0  # s for the rest
# Requests that fail in an outage. Not DescribeTable: a worker needs it before it receives.
BROKEN = {
    "writes": ("TransactWriteItems",),
    "everything": ("GetItem", "PutItem", "TransactWriteItems", "UpdateItem"),
}
GLANCE = 0.01  # s
# Durations of handlers (ms) and their weights; None does not end before the stop.
DURATIONS = {0: 40, 5: 20, 50: 20, 300: 12, 1_500: 6, None: 1}


@dataclass(frozen=True)
class Plan:
    """The choices that follow from a seed."""

    seed: int
    orders: tuple[str, ...]  # each id says how long its handler takes
    concurrency: int
    after: int  # handlers that have started when the signal comes; 0: when it is ready; -1: sooner
    outage: int | None  # DynamoDB returns 500 after this many requests
    broken: str  # the requests that fail
    suspects: int  # messages that are redelivered without a record

    @classmethod
    def of(cls, seed):
        dice = random.Random(seed)  # noqa: S311 - a trial that can be repeated
        count = dice.randint(5, 50)
        drawn = dice.choices(list(DURATIONS), list(DURATIONS.values()), k=count)
        orders = tuple(
            f"wait-{number}" if duration is None else f"take-{duration}-{number}"
            for number, duration in enumerate(drawn)
        )
        return cls(
            seed=seed,
            orders=orders,
            concurrency=dice.choice((1, 4, 10)),
            after=dice.choice((-1, 0, *[dice.randint(1, count) for _ in range(10)])),
            outage=dice.choice((None, None, 0, dice.randint(1, count))),
            broken=dice.choice(list(BROKEN)),
            suspects=dice.choice((0, 0, 0, 1, 3)),
        )


@dataclass(frozen=True)
class Result:
    """The result of one trial."""

    plan: Plan
    code: int
    seconds: float  # from the signal to the end
    hidden: float  # s from the end until nothing was invisible
    handed_back: int
    wrong: tuple[str, ...]

    def document(self):
        return asdict(self)


class Trial:
    """Runs a plan in a new world; no other trial may use the same AWS at the same time."""

    def __init__(self, plan, aws, sqs, dynamodb, directory):
        self._plan = plan
        self._directory = directory / f"seed-{plan.seed}-{uuid4().hex[:8]}"
        gates = self._directory / "gates"
        gates.mkdir(parents=True)
        self._aws, self._sqs = aws, sqs
        self._world = World(aws, sqs, dynamodb, gates)
        self._wrong = []

    def play(self):
        """Stop a worker, check the messages, and let a second worker handle the rest."""
        self._world.send(*self._plan.orders)
        self._make_suspects()
        self._break()
        code, seconds = -1, 0.0
        try:
            code, seconds = self._stop()
        except AssertionError as error:
            self._wrong.append(f"not stopped: {error}")
        finally:
            self._aws.heal()
        hidden = self._until_visible()
        rest = self._world.waiting
        self._finish()
        return Result(self._plan, code, seconds, hidden, rest, tuple(self._wrong))

    def _make_suspects(self):
        """Receive some messages without a record, like a worker that is killed at once."""
        if self._plan.suspects:
            self._sqs.receive_message(
                QueueUrl=self._world.queue_url,
                MaxNumberOfMessages=self._plan.suspects,
                VisibilityTimeout=1,
            )

    def _break(self):
        if self._plan.outage is not None:
            rules = [
                Rule(
                    operation=f"dynamodb.{operation}",
                    mode="error",
                    match=self._world.prefix,
                    skip=self._plan.outage,
                )
                for operation in BROKEN[self._plan.broken]
            ]
            self._aws.inject(rules)

    def _stop(self):
        """Start a worker and signal it at the planned moment; return exit code and seconds."""
        worker = self._start()
        try:
            self._await_moment(worker)
            signalled = time.monotonic()
            worker.signal(SIGTERM)
            try:
                code = worker.ends(within=STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                code = -1
            seconds = time.monotonic() - signalled
        finally:
            worker.kill()
        if code not in (DONE, INTERRUPTED):
            self._wrong.append(f"ended with {code} after {seconds:.1f} s: {worker.stderr[-500:]}")
        return code, round(seconds, 2)

    def _start(self):
        environment = self._world.environment | {
            "CONCURRENCY": str(self._plan.concurrency),
            "STOP_TIMEOUT": str(STOP_TIMEOUT),
            "VISIBILITY_TIMEOUT": str(VISIBILITY),
        }
        return Process(OBEDIENT, environment, self._directory)

    def _await_moment(self, worker):
        worker.says("worker.starting")
        if self._plan.after < 0:
            return
        worker.says("receive.working")  # readiness ends soon in an outage
        until = time.monotonic() + LONGEST_WAIT
        while len(worker.lines("handler.started")) < self._plan.after:
            if time.monotonic() > until:
                return  # an outage or a hung handler: any moment will do
            time.sleep(GLANCE)

    def _until_visible(self):
        """Wait until all remaining messages are visible; return how long that took (s)."""
        ended = time.monotonic()
        while in_flight := self._world.in_flight:
            if time.monotonic() - ended > HIDDEN:
                self._wrong.append(f"{in_flight} messages are still hidden after {HIDDEN} s")
                break
            time.sleep(GLANCE)
        return round(time.monotonic() - ended, 2)

    def _finish(self):
        """Let a second worker handle the rest, and check the effects."""
        for order in self._plan.orders:
            self._world.open_gate(order)
        worker = self._start()
        try:
            eventually(lambda: self._empty() or not worker.running, DRAIN)
        except AssertionError:
            self._wrong.append(f"after {DRAIN:.0f} s {self._world.waiting} messages are left")
        finally:
            worker.kill()
        effects = {order: self._world.effects(order) for order in self._plan.orders}
        self._wrong += [f"{order} has {n} effects" for order, n in effects.items() if n != 1]
        self._wrong += [f"dead letter: {letter.reason}" for letter in self._world.dead_letters()]

    def _empty(self):
        return (self._world.waiting, self._world.in_flight) == (0, 0)
