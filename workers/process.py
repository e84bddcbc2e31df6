"""The life of a process: it opens its health port, reaches AWS, and runs one service to its end."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog
from pydantic import SecretStr

from workers.aws.clients import Clients
from workers.runtime.errors import FatalError, SettingsError, Unavailable
from workers.runtime.observability.emf import MetricLines
from workers.runtime.observability.health import STARTING, Health, Status
from workers.runtime.settlement import LONGEST_BACKOFF, full_jitter
from workers.runtime.worker import BROKEN, Deadline, Running, Worker
from workers.settings import Settings, misspelt
from workers.version import VERSION

FIRST_BACKOFF: Final = 0.5  # s between attempts to reach AWS at the start, doubling
REFRESH_EVERY: Final = 60.0  # s between refreshes of credentials

FLUSH: Final = 2.0  # s to export the last spans, at most half of what is kept free before the kill

WRONG_SETTING: Final = 2  # exit code, as for a setting that cannot be read

log = structlog.get_logger()


class Traces(Protocol):
    """The export of traces."""

    def stop(self, seconds: float) -> None:
        """Export what is left, for at most ``seconds``."""


@dataclass(frozen=True)
class Program:
    """One service, ready to run."""

    running: Running
    status: Status
    clients: Clients
    metric_lines: MetricLines | None  # None: no log lines for CloudWatch
    traces: Traces | None = None


def run(build: Callable[[], Program], settings: Settings) -> int:
    """Build a service and run it until it is stopped; returns the exit code of the process.

    The health port answers from the first moment: a process that cannot reach AWS is alive but not
    ready. ``build`` is called again for as long as it raises ``Unavailable``.
    """
    status = STARTING
    health = Health(lambda: status)
    try:
        with opening("METRICS_PORT", settings.metrics_port):
            port = health.serve(settings.metrics_port)
        shown = _shown(settings)
        log.info("worker.starting", metricsPort=port, version=VERSION, settings=shown)
        for variable, setting in misspelt(os.environ).items():
            log.warning("setting.misspelt", variable=variable, setting=setting)
        program = _reach_aws(build)
    except (FatalError, SettingsError) as error:
        log.critical("worker.cannot_start", reason=str(error))
        return WRONG_SETTING if isinstance(error, SettingsError) else BROKEN
    clients, lines = program.clients, program.metric_lines
    alongside = {"credentials": lambda: _keep_credentials(clients)}
    if lines:
        alongside["metrics"] = lines.run
    worker = Worker(program.running, stop_timeout=settings.stop_timeout, alongside=alongside)
    problems = program.status.problems
    status = replace(program.status, problems=lambda: [*worker.problems(), *problems()])
    code = worker.run()
    if lines:
        lines.write()
    if program.traces:
        program.traces.stop(min(FLUSH, Deadline(settings.stop_timeout).margin / 2))
    return code


@contextmanager
def opening(setting: str, port: int) -> Iterator[None]:
    """Turn the error of a port that cannot be opened into a ``FatalError`` naming its setting."""
    try:
        yield
    except OSError as error:
        raise FatalError(f"{setting} {port}: {error.strerror}") from error


def _reach_aws(build: Callable[[], Program]) -> Program:
    failures = 0
    while True:
        try:
            program = build()
        except Unavailable as error:
            failures += 1
            if failures == 1:
                log.warning("aws.unreachable", reason=str(error))
            time.sleep(full_jitter(failures, base=FIRST_BACKOFF, cap=LONGEST_BACKOFF))
        else:
            if failures:
                log.info("aws.reachable")
            return program


def _keep_credentials(clients: Clients) -> None:
    """Refresh expiring credentials before a handler has to wait for it: it may take seconds."""
    while True:
        time.sleep(REFRESH_EVERY)
        clients.refresh_credentials()


def _shown(settings: Settings) -> dict[str, object]:
    """Return the settings for a log line, secrets and email addresses masked."""
    return {
        name: "***" if name.endswith("_email") or isinstance(value, SecretStr) else value
        for name, value in settings.model_dump().items()
        if value is not None
    }
