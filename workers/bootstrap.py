"""The composition root: the only module that knows every layer."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

from prometheus_client import CollectorRegistry, ProcessCollector

from workers import events
from workers.api.limits import REQUEST_THREADS
from workers.aws import mail_allowance, names
from workers.aws.clients import FOR_A_LOOP, FOR_A_REQUEST, PATIENT, Clients, Patience
from workers.aws.dynamodb import DynamoStore
from workers.aws.ecs import EcsAgent, task_of
from workers.aws.generations import REBUILDABLE, CurrentScope, GenerationalStore
from workers.aws.heartbeats import DynamoRoster
from workers.aws.mail_allowance import MailAllowance
from workers.aws.outbox import Outbox
from workers.aws.outbox_leases import OutboxLeases
from workers.aws.payloads import S3Payloads
from workers.aws.prices import CachedPrices
from workers.aws.provisioning import is_aws
from workers.aws.request_counts import RequestCounts
from workers.aws.ses import SesMailer
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue
from workers.gateways.choice import payment_gateway
from workers.process import Program, opening
from workers.relay import metrics as relay_metrics
from workers.relay.metrics import RelayMetrics
from workers.relay.relay import Relay
from workers.runtime.assembly import Config, Ports, assemble
from workers.runtime.dependencies import Dependencies
from workers.runtime.errors import FatalError, SettingsError
from workers.runtime.handler import Handlers
from workers.runtime.observability import telemetry
from workers.runtime.observability.emf import MetricLines
from workers.runtime.observability.health import Status
from workers.runtime.ports import Payloads, Store, Topic
from workers.runtime.worker import Running, UntilStopped
from workers.services.analytics import Analytics
from workers.services.inventory import Inventory
from workers.services.notification import Notification
from workers.services.orders import OrderCommands, Orders
from workers.services.payment import Payment
from workers.settings import Settings
from workers.signing import Signing
from workers.topology import MAX_RECEIVE_COUNT, Service, Topology, is_fifo
from workers.version import VERSION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from workers.tracing.tracing import Tracing

METRICS_NAMESPACE: Final = "OrderPipeline"  # in CloudWatch; terraform/alarms.tf has the same
# Stripe keeps its keys for the same time: https://docs.stripe.com/api/idempotent_requests
IDEMPOTENCY_RETENTION: Final = timedelta(hours=24)


def build(name: str, settings: Settings, topology: Topology) -> Program:
    """Build one service.

    Raises ``Unavailable`` while AWS does not answer, ``FatalError`` and ``SettingsError``.
    """
    parts = Parts.of(name, settings, topology)
    match name:
        case "order-api":
            return _order_api(parts)
        case "relay":
            return _relay(parts)
        case _:
            return _consumer(parts)


@dataclass(frozen=True)
class Parts:
    """The parts that every service needs."""

    name: str
    settings: Settings
    service: Service  # as this process runs it
    publishers: Mapping[str, frozenset[str]]  # of each event
    clients: Clients
    topic: Topic
    topic_arn: str
    tracing: "Tracing | None" = None
    ordered: bool = False  # the topic is a FIFO topic

    @classmethod
    def of(cls, name: str, settings: Settings, topology: Topology) -> Self:
        """Create the clients and find the topic."""
        service = overridden(topology.services[name], settings)
        # Threads that call AWS at once: none of them should wait for a connection.
        threads = REQUEST_THREADS if name == "order-api" else service.concurrency
        clients = Clients.connect(settings, threads=threads)
        sns = clients.sns()
        arn = names.topic_arn(sns, settings, topology.topic_name)
        topic = SnsTopic(sns, arn)
        tracing = start_tracing(name, settings)
        published = tracing.topic(topic) if tracing else topic
        return cls(
            name,
            settings,
            service,
            topology.publishers,
            clients,
            published,
            arn,
            tracing,
            is_fifo(arn),
        )

    def dynamodb(self, patience: Patience = PATIENT) -> "tuple[DynamoDBClient, str]":
        """Create a client for the service's table, and find the table's name."""
        client = self.clients.dynamodb(patience)
        table = names.table_name(client, self.settings, self.service.table)
        return self.traced(client, table), table

    def traced(self, client: "DynamoDBClient", table: str) -> "DynamoDBClient":
        """Return the client, its requests with spans if there are traces."""
        if self.tracing:
            self.tracing.dynamodb(client, table)
        return client


@lru_cache(maxsize=1)
def start_tracing(name: str, settings: Settings) -> "Tracing | None":
    """Start the export of traces, once in a process, however often it has to be built.

    Raises ``SettingsError`` if traces are to be exported and OpenTelemetry is not installed.
    """
    if not settings.otel_exporter_otlp_endpoint:
        return None
    try:
        from workers.tracing.tracing import Tracing  # noqa: PLC0415 - only where it is used
    except ImportError as error:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: {error.name} is not installed: "
            "pip install 'workers[tracing]'"
        ) from error
    return Tracing.start(name, version=VERSION, worker=_worker(), environment=settings.environment)


def overridden(service: Service, settings: Settings) -> Service:
    """Return a service of the map with what the settings say instead."""
    overrides = {
        "concurrency": settings.concurrency,
        "visibility_timeout": settings.visibility_timeout,
    }
    return service.model_copy(update={name: n for name, n in overrides.items() if n is not None})


def _consumer(parts: Parts) -> Program:
    name, settings, service = parts.name, parts.settings, parts.service
    control = parts.clients.control()
    dynamodb, table = parts.dynamodb()
    queue = SqsQueue(
        parts.clients.poll(),
        parts.clients.settle(),
        url=names.queue_url(control, settings, name),
        dlq_url=names.dlq_url(control, settings, name),
        service=name,
        visibility_timeout=service.visibility_timeout,
    )
    agent, signing = settings.ecs_agent_uri, Signing.of(settings)
    consumer = _service(parts, table)
    assembly = assemble(
        Handlers(consumer),
        events.accepting(parts.publishers, signing.check if signing else None),
        Ports(
            queue=queue,
            topic=parts.topic,
            store=_store(name, dynamodb, table),
            agent=EcsAgent(agent) if agent else None,
            roster=DynamoRoster(parts.clients.roster(), table),
            spans=parts.tracing.consumer(queue.url) if parts.tracing else None,
            payloads=payloads_of(parts.clients, settings, parts.topic_arn),
        ),
        loop_config(name, settings, service),
        sign=signing.sign if signing else None,
    )
    loop, registry = assembly.loop(), assembly.telemetry.registry
    if isinstance(consumer, Notification) and isinstance(consumer.allowance, MailAllowance):
        registry.register(consumer.allowance.withheld)
    return _program(parts, loop, Status(loop.problems, loop.obstacles, registry))


def payloads_of(clients: Clients, settings: Settings, topic_arn: str) -> Payloads | None:
    """Return the bucket of large events, in the topic's account; None if there is none."""
    if not settings.payload_bucket:
        return None
    return S3Payloads(clients.s3(), settings.payload_bucket, account=topic_arn.split(":")[4])


def _store(name: str, dynamodb: "DynamoDBClient", table: str) -> Store:
    store = DynamoStore(dynamodb, table)
    if name != REBUILDABLE:
        return store
    return GenerationalStore(store, CurrentScope(dynamodb, table))


def loop_config(name: str, settings: Settings, service: Service) -> Config:
    """Return the names and numbers of a service's receive loop."""
    return Config(
        service=name,
        worker=_worker(),
        version=VERSION,
        concurrency=service.concurrency,
        max_attempts=service.max_attempts,
        max_receives=MAX_RECEIVE_COUNT,
        receive_wait=settings.receive_wait,
        receive_linger=settings.receive_linger_ms / 1000,
        protect_after=settings.stop_timeout / 2,
        task=task_of(settings.ecs_agent_uri),
        max_event_age=timedelta(days=settings.max_event_age).total_seconds(),
    )


def _service(parts: Parts, table: str) -> object:
    """Build a consumer with its dependencies: one line for each service."""
    name, settings, clients = parts.name, parts.settings, parts.clients
    simulation = settings.allow_simulation
    match name:
        case "orders":
            return Orders(now=_now)
        case "payment":
            threads = parts.service.concurrency
            dynamodb = parts.traced(clients.dynamodb(), table)
            gateway = payment_gateway(settings, dynamodb, table, threads=threads)
            return Payment(gateway, allow_simulation=simulation)
        case "inventory":
            return Inventory(allow_simulation=simulation)
        case "notification":
            mailer = SesMailer(clients.ses(), settings.sender_email)
            dynamodb = parts.traced(clients.dynamodb(), table)
            allowance = MailAllowance(dynamodb, table)
            return Notification(mailer, allowance, settings.operations_email, _now, simulation)
        case "analytics":
            return Analytics(now=_now)
        case _:
            raise FatalError(f"{name} has a queue on the map but no module in workers/services")


def _order_api(parts: Parts) -> Program:
    # Imported here: FastAPI takes as long to import as everything else, and only this service
    # needs it.
    from workers.api.app import DEPENDENCIES, create_app, upstream_of  # noqa: PLC0415
    from workers.api.choice import entrance  # noqa: PLC0415
    from workers.api.rate import WINDOW, RateLimit  # noqa: PLC0415
    from workers.api.server import listen, serve  # noqa: PLC0415

    settings, signing = parts.settings, Signing.of(parts.settings)
    dynamodb, table = parts.dynamodb(FOR_A_REQUEST)
    callers = entrance(settings, on_aws=is_aws(dynamodb.meta.endpoint_url))
    registry = CollectorRegistry()
    store = DynamoStore(dynamodb, table, outbox=True, retention=IDEMPOTENCY_RETENTION)
    dependencies = Dependencies(registry, DEPENDENCIES)
    upstream = upstream_of(store, dependencies)
    limit = settings.requests_per_minute
    rate = RateLimit(RequestCounts(dynamodb, table, WINDOW), limit) if limit else None
    app = create_app(
        OrderCommands(now=_now, prices=CachedPrices(dynamodb, table)),
        store,
        parts.topic,
        Outbox(dynamodb, table),
        allow_simulation=settings.allow_simulation,
        origin_keys=settings.origin_keys,
        registry=registry,
        upstream=upstream,
        ordered=parts.ordered,
        sign=signing.sign if signing else None,
        identify=callers.identify,
        docs=settings.api_docs,
        rate=rate,
    )
    if parts.tracing:
        parts.tracing.http(app)
    with opening("PORT", settings.port):
        listener = listen("0.0.0.0", settings.port)  # noqa: S104 - the port of a container
    running = UntilStopped(
        {
            "http": lambda stopping: serve(app, listener, stopping=stopping),
            "upstream": upstream.watch,
            **callers.loops,
        }
    )
    # Stays ready during an outage: without it, a gateway answers in its place, without Retry-After.
    status = Status(obstacles=running.obstacles, warnings=dependencies.obstacles, registry=registry)
    return _until_stopped(parts, running, status)


def _relay(parts: Parts) -> Program:
    dynamodb, table = parts.dynamodb(FOR_A_LOOP)
    registry = CollectorRegistry()
    metrics = RelayMetrics(registry)
    relay = Relay(
        Outbox(dynamodb, table),
        OutboxLeases(dynamodb, table),
        parts.topic,
        owner=f"{_worker()}-{uuid4().hex[:8]}",
        metrics=metrics,
        ordered=parts.ordered,
    )
    running = UntilStopped(relay.loops())

    def obstacles() -> list[str]:
        return [*running.obstacles(), *metrics.dependencies.obstacles()]

    return _until_stopped(parts, running, Status(obstacles=obstacles, registry=registry))


def _until_stopped(parts: Parts, running: UntilStopped, status: Status) -> Program:
    ProcessCollector(registry=status.registry)
    return _program(parts, running, status)


def _program(parts: Parts, running: Running, status: Status) -> Program:
    environment, lines = parts.settings.environment, None
    if environment is not None and status.registry is not None:
        metrics = (
            *telemetry.CLOUDWATCH_METRICS,
            *relay_metrics.CLOUDWATCH_METRICS,
            *mail_allowance.CLOUDWATCH_METRICS,
        )
        lines = MetricLines(
            status.registry,
            metrics,
            namespace=METRICS_NAMESPACE,
            environment=environment,
            service=parts.name,
        )
    return Program(running, status, parts.clients, lines, parts.tracing)


def _worker() -> str:
    """Name this process in what it stores: its host (on Fargate the task) and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _now() -> datetime:
    return datetime.now(UTC)
