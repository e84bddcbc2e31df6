"""The composition root: the only module that knows every layer. Reads top-down as a wiring plan."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self, TypeVar
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from workers import events
from workers.api.limits import REQUEST_THREADS
from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.ecs import EcsAgent
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.ses import SesMailer
from workers.aws.simulated_gateway import SimulatedGateway
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue
from workers.relay import metrics as relay_metrics
from workers.relay.metrics import RelayMetrics
from workers.relay.relay import Relay
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.handler import Handlers
from workers.runtime.observability import telemetry
from workers.runtime.observability.emf import MetricLines
from workers.runtime.observability.health import Health
from workers.runtime.ports import Topic
from workers.runtime.settlement import full_jitter
from workers.runtime.wiring import receive_loop
from workers.runtime.worker import BROKEN, Deadline, Running, UntilStopped, Worker
from workers.services.analytics import Analytics
from workers.services.inventory import Inventory
from workers.services.notification import Notification
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payment
from workers.settings import Settings
from workers.topology import MAX_RECEIVE_COUNT, Service, Topology

METRICS_NAMESPACE: Final = "OrderPipeline"  # in CloudWatch; terraform/alarms.tf has the same
# As long as Stripe keeps its keys: https://docs.stripe.com/api/idempotent_requests
IDEMPOTENCY_RETENTION: Final = timedelta(hours=24)
FIRST_BACKOFF: Final = 0.5  # s between tries to reach AWS at the start
LONGEST_BACKOFF: Final = 30.0  # s
REFRESH_EVERY: Final = 60.0  # s; keeps the refresh of credentials off the threads that work
# Threads of a receive loop that call AWS beside its handlers and pollers.
OTHER_THREADS: Final = 4

T = TypeVar("T")

log = structlog.get_logger()


def run(name: str, settings: Settings, topology: Topology) -> int:
    """Run one service until it is stopped; returns the exit code of the process."""
    health = Health()
    try:
        with _opening("METRICS_PORT", settings.metrics_port):
            port = health.serve(settings.metrics_port)
        log.info("worker.starting", metricsPort=port, settings=_shown(settings))
        parts = _reach_aws(lambda: Parts.of(name, settings, topology, health))
        running = _reach_aws(lambda: _build(parts))
    except FatalError as error:
        log.critical("worker.cannot_start", reason=str(error))
        return BROKEN
    alongside = {"credentials": lambda: _keep_credentials(parts.clients)}
    if lines := _metric_lines(parts):
        alongside["metrics"] = lines.run
    worker = Worker(running, stop_timeout=settings.stop_timeout, alongside=alongside)
    problems = health.problems
    health.problems = lambda: [*worker.problems(), *problems()]
    code = worker.run()
    if lines:
        lines.write()
    return code


@dataclass(frozen=True)
class Parts:
    """What every service is made of."""

    name: str
    settings: Settings
    service: Service
    clients: Clients
    topic: Topic
    health: Health

    @classmethod
    def of(cls, name: str, settings: Settings, topology: Topology, health: Health) -> Self:
        """Make the clients and find the topic."""
        service = topology.services[name]
        clients = Clients.connect(settings, threads=_threads(name, settings, service))
        sns = clients.sns()
        topic = SnsTopic(sns, names.topic_arn(sns, settings, topology.topic))
        return cls(name, settings, service, clients, topic, health)


def _threads(name: str, settings: Settings, service: Service) -> int:
    """Count the threads that call AWS at once: none of them should wait for a connection."""
    if name == "order-api":
        return REQUEST_THREADS
    return (settings.concurrency or service.concurrency) + OTHER_THREADS


def _build(parts: Parts) -> Running:
    match parts.name:
        case "order-api":
            return _order_api(parts)
        case "relay":
            return _relay(parts)
        case _:
            return _consumer(parts)


def _consumer(parts: Parts) -> Running:
    name, settings, service = parts.name, parts.settings, parts.service
    control, dynamodb = parts.clients.control(), parts.clients.dynamodb()
    table = names.table_name(dynamodb, settings, service.table)
    queue = SqsQueue(
        parts.clients.poll(),
        parts.clients.settle(),
        url=names.queue_url(control, settings, name),
        dlq_url=names.dlq_url(control, settings, name),
        service=name,
        visibility_timeout=settings.visibility_timeout or service.visibility_timeout,
    )
    agent = os.environ.get("ECS_AGENT_URI")
    return receive_loop(
        name,
        queue=queue,
        topic=parts.topic,
        store=DynamoStore(dynamodb, table),
        handlers=Handlers(_service(name, settings, parts.clients, table)),
        decode=events.decode,
        visibility_timeout=queue.visibility_timeout,
        concurrency=settings.concurrency or service.concurrency,
        max_attempts=service.max_attempts,
        max_receives=MAX_RECEIVE_COUNT,
        receive_wait=settings.receive_wait,
        receive_linger=settings.receive_linger_ms / 1000,
        protect_after=settings.stop_timeout / 2,
        agent=EcsAgent(agent) if agent else None,
        health=parts.health,
        worker=_worker(),
    )


def _service(name: str, settings: Settings, clients: Clients, table: str) -> object:
    """Give a service what it needs from outside: one decision, one line."""
    simulation = settings.allow_simulation
    match name:
        case "orders":
            return Orders(now=_now)
        case "payment":
            gateway = SimulatedGateway(clients.dynamodb(), table)
            return Payment(gateway, allow_simulation=simulation)
        case "inventory":
            return Inventory(allow_simulation=simulation)
        case "notification":
            mailer = SesMailer(clients.ses(), settings.sender_email)
            return Notification(mailer, settings.operations_email, _now, simulation)
        case "analytics":
            return Analytics(now=_now)
        case _:
            raise FatalError(f"{name} has a queue on the map but no module in workers/services")


def _order_api(parts: Parts) -> Running:
    # Here, not above: FastAPI takes as long to import as all the rest, and only this service
    # needs it.
    from workers.api.app import create_app  # noqa: PLC0415
    from workers.api.server import listen, serve  # noqa: PLC0415

    settings, dynamodb = parts.settings, parts.clients.dynamodb()
    table = names.table_name(dynamodb, settings, parts.service.table)
    registry = CollectorRegistry()
    app = create_app(
        OrderCommands(now=_now),
        DynamoStore(dynamodb, table, outbox=True, retention=IDEMPOTENCY_RETENTION),
        parts.topic,
        Outbox(dynamodb, table),
        allow_simulation=settings.allow_simulation,
        registry=registry,
    )
    with _opening("PORT", settings.port):
        listener = listen("0.0.0.0", settings.port)  # noqa: S104 - the port of a container
    deadline = Deadline(settings.stop_timeout)
    grace = settings.stop_timeout - 2 * deadline.margin
    running = UntilStopped(
        {"http": lambda stopping: serve(app, listener, stopping=stopping, grace=grace)}
    )
    _watch(running, parts.health, registry)
    return running


def _relay(parts: Parts) -> Running:
    settings, dynamodb = parts.settings, parts.clients.dynamodb()
    table = names.table_name(dynamodb, settings, parts.service.table)
    registry = CollectorRegistry()
    relay = Relay(
        Outbox(dynamodb, table),
        OutboxLeases(dynamodb, table),
        parts.topic,
        owner=f"{_worker()}-{uuid4().hex[:8]}",
        metrics=RelayMetrics(registry),
    )
    running = UntilStopped(relay.loops())
    _watch(running, parts.health, registry)
    return running


def _metric_lines(parts: Parts) -> MetricLines | None:
    """Figures for CloudWatch, of what was built into the registry."""
    environment, registry = parts.settings.environment, parts.health.registry
    if environment is None or registry is None:
        return None
    figures = (*telemetry.CLOUDWATCH_METRICS, *relay_metrics.CLOUDWATCH_METRICS)
    return MetricLines(
        registry,
        figures,
        namespace=METRICS_NAMESPACE,
        environment=environment,
        service=parts.name,
    )


def _watch(running: UntilStopped, health: Health, registry: CollectorRegistry) -> None:
    ProcessCollector(registry=registry)
    health.registry = registry
    health.obstacles = running.obstacles


def _reach_aws(build: Callable[[], T]) -> T:
    """Build, and try again for as long as AWS does not answer: readiness stays red meanwhile."""
    failures = 0
    while True:
        try:
            built = build()
        except Unavailable as error:
            failures += 1
            if failures == 1:
                log.warning("aws.unreachable", reason=str(error))
            time.sleep(full_jitter(failures, base=FIRST_BACKOFF, cap=LONGEST_BACKOFF))
        else:
            if failures:
                log.info("aws.reachable")
            return built


def _keep_credentials(clients: Clients) -> None:
    """Refresh expiring credentials in a thread of its own: a refresh may take seconds."""
    while True:
        time.sleep(REFRESH_EVERY)
        clients.refresh_credentials()


@contextmanager
def _opening(setting: str, port: int) -> Iterator[None]:
    """Name the setting of a port that cannot be listened on. Raises ``FatalError``."""
    try:
        yield
    except OSError as error:
        raise FatalError(f"{setting} {port}: {error.strerror}") from error


def _worker() -> str:
    """Name this process in what it stores: the host, on Fargate the task's, and the process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _now() -> datetime:
    return datetime.now(UTC)


def _shown(settings: Settings) -> dict[str, object]:
    """Give the settings for a log line, addresses masked."""
    return {
        name: "***" if name.endswith("_email") else value
        for name, value in settings.model_dump().items()
        if value is not None
    }
