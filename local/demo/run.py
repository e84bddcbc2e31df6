"""The demo: real orders through the whole system, every scenario, every expectation checked."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from local.demo import books, journal
from local.demo.books import Books
from local.demo.checks import Check, Evidence, check_all
from local.demo.plan import plan, stock_for
from local.system import System
from workers.aws import names
from workers.aws.dead_letters import redrive
from workers.aws.sns import SnsTopic
from workers.envelope import Encoded
from workers.ops.dlq import DeadMessage, look
from workers.ops.queues import Queues, QueueState
from workers.ops.stock import set_stock
from workers.samples import REORDER_THRESHOLD, SampleOrder

CUSTOMERS: Final = 8  # who place orders at the same time
REQUEST_TIMEOUT: Final = 10.0  # s
PLACE_TIMEOUT: Final = 60.0  # s to get one order accepted, whatever is being killed
GLANCE: Final = 0.25  # s between looks at the stores
RESTRAINT: Final = 9  # so many times the duration of a look is left between two
PATIENCE: Final = 120.0  # s without any change until a stage is given up
MALFORMED: Final = '{"eventType": "order.created", "data": '


class DemoError(Exception):
    """The demo could not go on; the text says at which stage."""


@dataclass
class Progress:
    """What a person sees while the demo runs."""

    planned: int
    stage: str = "starting"
    states: Mapping[str, int] = field(default_factory=dict)
    queues: tuple[QueueState, ...] = ()
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Result:
    """How the demo went."""

    planned: Mapping[str, SampleOrder]  # by order id
    evidence: Evidence
    checks: tuple[Check, ...]
    requests: Mapping[str, Any]
    aws_cpu_seconds: float  # processor time of the embedded AWS, the final checks included
    seconds: float

    @property
    def held(self) -> bool:
        """Whether every expectation held."""
        return all(check.held for check in self.checks)

    @property
    def slowest(self) -> tuple[str, float]:
        """The order that took longest from placing to its end, and how long (s)."""
        orders = self.evidence.books.orders
        seconds = {order_id: books.seconds_to_end(order) for order_id, order in orders.items()}
        return max(seconds.items(), key=lambda item: item[1])


class Demo:
    """Plays the scenarios on a running system."""

    def __init__(
        self, system: System, *, orders: int, seed: int, show: Callable[[Progress], None]
    ) -> None:
        self._system = system
        self._plan = plan(orders, seed)
        self._show = show
        self._progress = Progress(planned=orders)
        self._placed: dict[str, SampleOrder] = {}
        self._sqs = system.clients.control()
        self._dynamodb = system.clients.dynamodb()
        self._queues = Queues(system.clients, system.settings, system.topology)
        self._look_at = 0.0
        self._states: dict[str, str] = {}
        self._published = 0  # before the last look
        self._cpu = 0.0  # s that the embedded AWS had used at the start

    def run(self) -> Result:
        """Play everything. Raises ``DemoError`` if a stage does not end."""
        self._cpu = self._system.aws.cpu_seconds()
        self._stage("filling the stock")
        self._fill_stock()
        self._stage("placing orders")
        self._place_all()
        self._plant_troubles()
        self._stage("following the orders")
        self._until(lambda: self._pending() <= self._technical)
        self._stage("giving money back before shipping")
        self._refund_all()
        self._stage("waiting for technical failures to reach the dead-letter queue")
        # An event that was delivered twice may be there twice.
        self._until(lambda: self._dead_letters("payment") >= len(self._technical) + 1)
        first_dead = self._look_at_dead_letters()
        self._stage("deploying the fix of payment")
        self._system.processes.replace("payment", {"ALLOW_SIMULATION": "false"})
        self._stage("redriving payment's dead-letter queue")
        redrive(self._sqs, self._dlq_url("payment"), self._queue_url("payment"))
        self._until(lambda: not self._pending() and self._quiet())
        return self._result(first_dead)

    def _fill_stock(self) -> None:
        for sku, available in stock_for(self._plan).items():
            set_stock(
                self._dynamodb,
                self._system.settings.name_prefix + "inventory",
                sku,
                available=available,
                reorder_threshold=REORDER_THRESHOLD,
            )

    def _place_all(self) -> None:
        with (
            httpx.Client(base_url=self._system.api_url, timeout=REQUEST_TIMEOUT) as api,
            ThreadPoolExecutor(CUSTOMERS) as customers,
        ):
            for order, order_id in customers.map(lambda order: self._place(api, order), self._plan):
                self._placed[order_id] = order
                self._look()

    def _place(self, api: httpx.Client, order: SampleOrder) -> tuple[SampleOrder, str]:
        headers = {"Idempotency-Key": order.idempotency_key}
        order_id: str = _post(api, "/orders", order.body(), headers)["orderId"]
        if order.kind == "cancelled":
            headers = {"Idempotency-Key": f"{order.idempotency_key}-cancel"}
            _post(api, f"/orders/{order_id}/cancel", {"reason": "changed my mind"}, headers)
        return order, order_id

    def _refund_all(self) -> None:
        with httpx.Client(base_url=self._system.api_url, timeout=REQUEST_TIMEOUT) as api:
            refund_all(api, self._placed)

    def _plant_troubles(self) -> None:
        """Send payment a message that nobody can read, and repeat an event that was published."""
        self._sqs.send_message(QueueUrl=self._queue_url("payment"), MessageBody=MALFORMED)
        order_id = next(o for o, planned in self._placed.items() if planned.kind == "success")
        order = books.read_orders(self._dynamodb, self._system.settings)[order_id]
        event_id = str(order["correlationId"])
        body = books.outbox_body(self._dynamodb, self._system.settings, event_id)
        sns = self._system.clients.sns()
        arn = names.topic_arn(sns, self._system.settings, self._system.topology.topic)
        if refused := SnsTopic(sns, arn).publish([Encoded.read(body)]):
            raise refused[0]

    @property
    def _technical(self) -> set[str]:
        return {order_id for order_id, p in self._placed.items() if p.kind == "technical"}

    def _pending(self) -> set[str]:
        return {order_id for order_id, state in self._states.items() if state == "pending"}

    def _dead_letters(self, service: str) -> int:
        return next(q.dead for q in self._progress.queues if q.service == service)

    def _quiet(self) -> bool:
        """Whether nothing is under way: a message in flight may yet lead to others.

        Queues are looked at one after the other. If something was published meanwhile, it may
        have passed from one that was looked at later to one that had been looked at before.
        """
        busy = any(q.visible or q.in_flight or q.delayed for q in self._progress.queues)
        return (
            not busy
            and not books.count_unpublished(self._dynamodb, self._system.settings)
            and self._publications() == self._published
        )

    def _publications(self) -> int:
        """Count what has reached SNS so far."""
        counts: Mapping[str, int] = self._system.aws.requests()["services"]["sns"]
        return counts.get("Publish", 0) + counts.get("PublishBatch", 0)

    def _look_at_dead_letters(self) -> dict[str, list[DeadMessage]]:
        # All at once: a look at an empty queue takes a second.
        services = list(self._system.topology.consumers)
        with ThreadPoolExecutor(len(services)) as looks:
            found = looks.map(lambda service: look(self._sqs, self._dlq_url(service)), services)
            return dict(zip(services, found, strict=True))

    def _result(self, first_dead: Mapping[str, list[DeadMessage]]) -> Result:
        self._stage("checking the stores")
        settings, topology = self._system.settings, self._system.topology
        final: Books = books.read(self._dynamodb, settings)
        evidence = Evidence(
            planned=self._placed,
            books=final,
            queues=self._queues.states(),
            first_dead=first_dead,
            last_dead=self._look_at_dead_letters(),
            malformed=[MALFORMED],
            mails=self._system.aws.mails(),
            journal=journal.read(self._system.directory),
            restarts=self._system.processes.restarts,
            max_attempts=topology.services["payment"].max_attempts,
        )
        return Result(
            planned=self._placed,
            evidence=evidence,
            checks=tuple(check_all(evidence)),
            requests=self._system.aws.requests(),
            aws_cpu_seconds=self._system.aws.cpu_seconds() - self._cpu,
            seconds=time.monotonic() - self._progress.started,
        )

    def _until(self, reached: Callable[[], bool]) -> None:
        """Wait for a condition, for as long as anything changes."""
        seen: object = None
        changed_at = time.monotonic()
        while True:
            if self._look() and reached():
                return
            now = (dict(self._progress.states), self._progress.queues)
            if now != seen:
                seen, changed_at = now, time.monotonic()
            if time.monotonic() - changed_at > PATIENCE:
                raise DemoError(
                    f"nothing has changed for {PATIENCE:.0f} s while {self._progress.stage}; "
                    f"the logs are in {self._system.directory}"
                )
            time.sleep(GLANCE / 2)

    def _look(self) -> bool:
        """Look at queues and orders and show them, unless it is too early to do so again."""
        started = time.monotonic()
        if started < self._look_at:
            return False
        self._published = self._publications()
        self._progress.queues = tuple(self._queues.states())
        pending = [each for each in self._placed if self._states.get(each, "pending") == "pending"]
        self._states |= books.read_states_of(self._dynamodb, self._system.settings, pending)
        self._progress.states = Counter(self._states.values())
        self._show(self._progress)
        ended = time.monotonic()
        self._look_at = ended + max(GLANCE, RESTRAINT * (ended - started))
        return True

    def _stage(self, name: str) -> None:
        self._progress.stage = name
        self._show(self._progress)

    def _queue_url(self, service: str) -> str:
        return names.queue_url(self._sqs, self._system.settings, service)

    def _dlq_url(self, service: str) -> str:
        return names.dlq_url(self._sqs, self._system.settings, service)


def refund_all(api: httpx.Client, placed: Mapping[str, SampleOrder]) -> None:
    """Ask for the money of the orders that are planned so; they have to be confirmed."""
    for order_id, order in placed.items():
        if order.kind == "refunded":
            headers = {"Idempotency-Key": f"{order.idempotency_key}-refund"}
            _post(api, f"/orders/{order_id}/refund", {"reason": "found it cheaper"}, headers)


def _post(
    api: httpx.Client, path: str, body: Mapping[str, object], headers: Mapping[str, str]
) -> dict[str, str]:
    """Post until an answer comes: the idempotency key makes repeats harmless."""

    def once() -> dict[str, str]:
        answer = api.post(path, json=body, headers=dict(headers))
        if answer.status_code in (409, 429) or answer.status_code >= 500:  # noqa: PLR2004 - HTTP
            raise httpx.TransportError(f"{path}: {answer.status_code} {answer.text[:200]}")
        if answer.is_error:
            raise DemoError(f"{path}: {answer.status_code} {answer.text[:500]}")
        accepted: dict[str, str] = answer.json()
        return accepted

    return Retrying(
        retry=retry_if_exception_type(httpx.TransportError),
        stop=stop_after_delay(PLACE_TIMEOUT),
        wait=wait_exponential_jitter(multiplier=0.1, max=2.0),
        reraise=True,
    )(once)
