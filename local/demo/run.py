"""The demo: places real orders, plays every scenario and checks the results."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from local.aws.embedded import EmbeddedAws
from local.demo import service_logs, tables
from local.demo.checks import Check, Evidence, check_all
from local.demo.plan import plan, stock_for
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.fifo import ids
from workers.aws.redrive import redrive
from workers.aws.resend import Sender
from workers.aws.sns import SnsTopic
from workers.envelope import Encoded
from workers.ops.dlq import DeadMessage, look
from workers.ops.queues import Queues, QueueState
from workers.ops.stock import set_stock
from workers.samples import REORDER_THRESHOLD, SampleOrder
from workers.settings import Settings
from workers.topology import Topology, is_fifo

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

CUSTOMERS: Final = 8  # that place orders concurrently
REQUEST_TIMEOUT: Final = 10.0  # s
PLACE_TIMEOUT: Final = 60.0  # s to get one order accepted, even if processes are killed meanwhile
POLL_INTERVAL: Final = 0.25  # s between reads of queues and tables, at least
IDLE_FACTOR: Final = 9  # the pause between two reads is at least this many times their duration
PATIENCE: Final = 120.0  # s without any change until a stage fails
MALFORMED: Final = '{"eventType": "order.created", "data": '


class DemoError(Exception):
    """The demo cannot continue; the message says at which stage."""


class SystemProcesses(Protocol):
    """The processes of a running system."""

    restarts: int

    def replace(self, service: str, changes: Mapping[str, str]) -> dict[str, int]:
        """Deploy a service with a changed environment. Returns exit codes by name."""


class RunningSystem(Protocol):
    """The system that the demo uses: ``local.system.System``, or one that Terraform created."""

    settings: Settings
    topology: Topology
    clients: Clients
    directory: Path  # of the logs
    aws: EmbeddedAws

    @property
    def api_url(self) -> str:
        """The address of order-api."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of every request to order-api: a token, if it asks who calls."""

    @property
    def processes(self) -> SystemProcesses:
        """The processes."""


@dataclass
class Progress:
    """The state shown while the demo runs."""

    planned: int
    stage: str = "starting"
    states: Mapping[str, int] = field(default_factory=dict)
    queues: tuple[QueueState, ...] = ()
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Result:
    """The result of the demo."""

    planned: Mapping[str, SampleOrder]  # by order id
    evidence: Evidence
    checks: tuple[Check, ...]
    requests: Mapping[str, Any]
    aws_cpu_seconds: float  # CPU time of the embedded AWS, including the final checks
    seconds: float

    @property
    def held(self) -> bool:
        """True if every check passed."""
        return all(check.held for check in self.checks)

    @property
    def slowest(self) -> tuple[str, float]:
        """The order that took longest, and its time from placing to its end (s)."""
        orders = self.evidence.tables.orders
        seconds = {order_id: tables.seconds_to_end(order) for order_id, order in orders.items()}
        return max(seconds.items(), key=lambda item: item[1])


class Demo:
    """Plays the scenarios on a running system."""

    def __init__(
        self, system: RunningSystem, *, orders: int, seed: int, show: Callable[[Progress], None]
    ) -> None:
        self._system = system
        self._plan = plan(orders, seed)
        self._show = show
        self._progress = Progress(planned=orders)
        self._placed: dict[str, SampleOrder] = {}
        self._sqs = system.clients.control()
        self._dynamodb = system.clients.dynamodb()
        self._queues = Queues(system.clients, system.settings, system.topology)
        self._next_look = 0.0  # monotonic
        self._states: dict[str, str] = {}
        self._published = 0  # requests to SNS before the last look
        self._cpu = 0.0  # s; CPU time of the embedded AWS at the start

    def run(self) -> Result:
        """Play every scenario. Raises ``DemoError`` if a stage does not finish."""
        self._cpu = self._system.aws.cpu_seconds()
        self._stage("adding stock")
        self._add_stock()
        self._stage("placing orders")
        self._place_all()
        self._inject_bad_messages()
        self._stage("waiting for the orders to finish")
        self._until(lambda: self._pending() <= self._technical)
        self._stage("refunding orders before they ship")
        self._refund_all()
        self._stage("waiting for technical failures to reach the dead-letter queue")
        # An event that is delivered twice may be dead-lettered twice.
        self._until(lambda: self._dead_letters("payment") >= len(self._technical) + 1)
        first_dead = self._look_at_dead_letters()
        self._stage("deploying the fix for payment")
        self._system.processes.replace("payment", {"ALLOW_SIMULATION": "false"})
        self._stage("redriving payment's dead-letter queue")
        redrive(self._sqs, self._dlq_url("payment"), self._queue_url("payment"))
        self._until(lambda: not self._pending() and self._idle())
        return self._result(first_dead)

    def _add_stock(self) -> None:
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
            self._client() as api,
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
        with self._client() as api:
            refund_all(api, self._placed)

    def _client(self) -> httpx.Client:
        system = self._system
        return httpx.Client(
            base_url=system.api_url, headers=dict(system.headers), timeout=REQUEST_TIMEOUT
        )

    def _inject_bad_messages(self) -> None:
        """Send payment a malformed message, and publish an event for the second time."""
        send(self._sqs, self._queue_url("payment"), MALFORMED)
        order_id = next(o for o, planned in self._placed.items() if planned.kind == "success")
        order = tables.read_orders(self._dynamodb, self._system.settings)[order_id]
        event_id = str(order["correlationId"])
        body = tables.outbox_body(self._dynamodb, self._system.settings, event_id)
        if self._system.topology.fifo:  # SNS would drop it; a replay delivers it again
            with ThreadPoolExecutor(1) as pool:
                Sender(self._sqs, self._queue_url("payment"), pool).send([Encoded.read(body)])
            return
        sns = self._system.clients.sns()
        arn = names.topic_arn(sns, self._system.settings, self._system.topology.topic_name)
        if refused := SnsTopic(sns, arn).publish([Encoded.read(body)]):
            raise refused[0]

    @property
    def _technical(self) -> set[str]:
        return {order_id for order_id, p in self._placed.items() if p.kind == "technical"}

    def _pending(self) -> set[str]:
        return {order_id for order_id, state in self._states.items() if state == "pending"}

    def _dead_letters(self, service: str) -> int:
        return next(q.dead for q in self._progress.queues if q.service == service)

    def _idle(self) -> bool:
        """Return whether no message waits or is in flight, and none is about to be published.

        Queues are read one after the other. An event published meanwhile may have moved from a
        queue that was read later to one that was read earlier.
        """
        busy = any(q.visible or q.in_flight or q.delayed for q in self._progress.queues)
        return (
            not busy
            and not tables.count_unpublished(self._dynamodb, self._system.settings)
            and self._publications() == self._published
        )

    def _publications(self) -> int:
        """Count the publish requests to SNS so far."""
        counts: Mapping[str, int] = self._system.aws.requests()["services"]["sns"]
        return counts.get("Publish", 0) + counts.get("PublishBatch", 0)

    def _look_at_dead_letters(self) -> dict[str, list[DeadMessage]]:
        # All at once: a look at an empty queue takes a second.
        services = list(self._system.topology.consumers)
        with ThreadPoolExecutor(len(services)) as looks:
            found = looks.map(lambda service: look(self._sqs, self._dlq_url(service)), services)
            return dict(zip(services, found, strict=True))

    def _result(self, first_dead: Mapping[str, list[DeadMessage]]) -> Result:
        self._stage("checking the results")
        settings, topology = self._system.settings, self._system.topology
        evidence = Evidence(
            planned=self._placed,
            tables=tables.read(self._dynamodb, settings),
            queues=self._queues.states(),
            first_dead=first_dead,
            last_dead=self._look_at_dead_letters(),
            malformed=[MALFORMED],
            mails=self._system.aws.mails(),
            logs=service_logs.read(self._system.directory),
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
        """Wait for a condition as long as orders or queues change."""
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
                    f"no progress for {PATIENCE:.0f} s while {self._progress.stage}; "
                    f"see the logs in {self._system.directory}"
                )
            time.sleep(POLL_INTERVAL / 2)

    def _look(self) -> bool:
        """Read queues and orders and show them. Returns False if it is too early to read again."""
        started = time.monotonic()
        if started < self._next_look:
            return False
        self._published = self._publications()
        self._progress.queues = tuple(self._queues.states())
        pending = [each for each in self._placed if self._states.get(each, "pending") == "pending"]
        self._states |= tables.read_states_of(self._dynamodb, self._system.settings, pending)
        self._progress.states = Counter(self._states.values())
        self._show(self._progress)
        ended = time.monotonic()
        self._next_look = ended + max(POLL_INTERVAL, IDLE_FACTOR * (ended - started))
        return True

    def _stage(self, name: str) -> None:
        self._progress.stage = name
        self._show(self._progress)

    def _queue_url(self, service: str) -> str:
        return names.queue_url(self._sqs, self._system.settings, service)

    def _dlq_url(self, service: str) -> str:
        return names.dlq_url(self._sqs, self._system.settings, service)


def refund_all(api: httpx.Client, placed: Mapping[str, SampleOrder]) -> None:
    """Request a refund for the orders planned as refunded, which must be confirmed."""
    for order_id, order in placed.items():
        if order.kind == "refunded":
            headers = {"Idempotency-Key": f"{order.idempotency_key}-refund"}
            _post(api, f"/orders/{order_id}/refund", {"reason": "found it cheaper"}, headers)


def send(sqs: "SQSClient", url: str, body: str) -> None:
    """Send a message that is no event to a queue: to a FIFO queue as a group of its own."""
    own = str(uuid4())
    sqs.send_message(QueueUrl=url, MessageBody=body, **(ids(own, own) if is_fifo(url) else {}))


def _post(
    api: httpx.Client, path: str, body: Mapping[str, object], headers: Mapping[str, str]
) -> dict[str, str]:
    """Post until an answer arrives; the idempotency key makes repeats harmless."""

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
