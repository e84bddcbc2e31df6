"""This project's receive loop, wired as ``workers.bootstrap`` wires it, around any service."""

import os
import sys
from typing import NoReturn

from handler import CONCURRENCY, URL, VISIBILITY_TIMEOUT

from workers.aws.clients import Clients
from workers.aws.sqs import SqsQueue
from workers.bootstrap import OTHER_THREADS
from workers.events import decode
from workers.runtime.handler import Handlers
from workers.runtime.observability import logs
from workers.runtime.observability.health import Health
from workers.runtime.ports import Store, Topic
from workers.runtime.wiring import receive_loop
from workers.runtime.worker import Worker
from workers.settings import Settings
from workers.topology import MAX_RECEIVE_COUNT, Topology

NAME = "payment"
settings = Settings.load()
clients = Clients.connect(settings, threads=CONCURRENCY + OTHER_THREADS)


def run(service: object, *, store: Store, topic: Topic) -> NoReturn:
    """Consume the queue until a signal; envelope, dispatch, metrics, health port, logs are real."""
    logs.configure(settings.log_level, service=NAME)
    health = Health()
    health.serve(0)
    mapped = Topology.load().services[NAME]
    queue = SqsQueue(
        clients.poll(),
        clients.settle(),
        url=URL,
        dlq_url=f"{URL}-dlq",
        service=NAME,
        visibility_timeout=VISIBILITY_TIMEOUT,
    )
    loop = receive_loop(
        NAME,
        queue=queue,
        topic=topic,
        store=store,
        handlers=Handlers(service),
        decode=decode,
        visibility_timeout=VISIBILITY_TIMEOUT,
        concurrency=CONCURRENCY,
        max_attempts=mapped.max_attempts,
        max_receives=MAX_RECEIVE_COUNT,
        receive_wait=settings.receive_wait,
        receive_linger=settings.receive_linger_ms / 1000,
        protect_after=settings.stop_timeout / 2,
        agent=None,
        health=health,
    )
    code = Worker(loop, stop_timeout=settings.stop_timeout).run()
    sys.stdout.flush()
    os._exit(code)  # as workers.cli does: a thread that hangs must not hold up the end
