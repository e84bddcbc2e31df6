"""This project's receive loop, assembled as in production, around any service."""

import os
import sys
from typing import NoReturn

from handler import CONCURRENCY, URL, VISIBILITY_TIMEOUT

from workers.aws.clients import Clients
from workers.aws.sqs import SqsQueue
from workers.bootstrap import loop_config, overridden, start_tracing
from workers.events import accepting
from workers.runtime.assembly import Ports, assemble
from workers.runtime.handler import Handlers
from workers.runtime.observability import logs
from workers.runtime.observability.health import Health, Status
from workers.runtime.ports import Store, Topic
from workers.runtime.worker import Worker
from workers.settings import Settings
from workers.topology import Topology

NAME = "payment"
settings = Settings.load().model_copy(
    update={"concurrency": CONCURRENCY, "visibility_timeout": VISIBILITY_TIMEOUT}
)
clients = Clients.connect(settings, threads=CONCURRENCY)
tracing = start_tracing(NAME, settings)


def run(service: object, *, store: Store, topic: Topic) -> NoReturn:
    """Consume the queue until a signal; envelope, dispatch, metrics, health port, logs are real."""
    logs.configure(settings.log_level, service=NAME)
    mapped = overridden(Topology.load().services[NAME], settings)
    queue = SqsQueue(
        clients.poll(),
        clients.settle(),
        url=URL,
        dlq_url=f"{URL}-dlq",
        service=NAME,
        visibility_timeout=mapped.visibility_timeout,
    )
    assembly = assemble(
        Handlers(service),
        accepting(Topology.load().publishers),
        Ports(queue, topic, store, spans=tracing.consumer(URL) if tracing else None),
        loop_config(NAME, settings, mapped),
    )
    loop = assembly.loop()
    status = Status(loop.problems, loop.obstacles, assembly.telemetry.registry)
    Health(lambda: status).serve(0)
    code = Worker(loop, stop_timeout=settings.stop_timeout).run()
    if tracing:
        tracing.stop(1.0)
    sys.stdout.flush()
    os._exit(code)  # as workers.cli does: a thread that hangs must not hold up the end
