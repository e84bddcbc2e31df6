"""The whole system on one machine: the embedded AWS, its resources and every service."""

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from local.archive import ensure_archive
from local.aws.embedded import EmbeddedAws
from local.issuer import DevelopmentIssuer
from local.ports import release_port, require_free, reserve_port
from local.processes import Processes
from workers.aws.clients import Clients
from workers.provision.provision import provision
from workers.settings import Settings
from workers.topology import Topology

# Somebody waits for the results: stops are short, hence polls too (see Settings.receive_wait), and
# the messages of a killed worker come back soon.
STOP_TIMEOUT: Final = 12  # s
VISIBILITY_TIMEOUT: Final = 10  # s


class System:
    """The running system for the duration of a ``with`` block; logs are in ``directory``.

    While it runs, the environment of this process points at the embedded AWS, so every AWS
    client created here uses it. Port 0 picks a free port.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        endpoint_port: int = 0,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        issuer: DevelopmentIssuer | None = None,
        **named: Any,
    ) -> None:
        """Prepare ``workers`` processes per consumer.

        ``environment`` is added to that of every process; ``named`` goes to ``Processes``. With
        an ``issuer``, order-api asks for its tokens; otherwise everybody may call.
        """
        self.directory = directory
        self.topology = Topology.load()
        self.aws = EmbeddedAws(port=endpoint_port, log=directory / "embedded-aws.txt")
        self._given = [each for each in (port, endpoint_port) if each]
        self._port = port or reserve_port()
        self.api_url = f"http://127.0.0.1:{self._port}"
        self._workers = workers
        self._environment = dict(environment or {}) | (issuer.settings() if issuer else {})
        self._issuer = issuer
        self._named = named
        self.processes: Processes
        self.settings: Settings
        self.clients: Clients
        self._up = ExitStack()

    def __enter__(self) -> Self:
        """Start everything and wait until every service is ready.

        Raises ``EmbeddedAwsError``, ``ProvisionError`` or ``NotReady``, and ``OSError`` if a port
        is taken: then nothing has been deleted.
        """
        for port in self._given:
            require_free(port)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        with ExitStack() as up:
            up.callback(_restore, dict(os.environ))
            up.enter_context(self.aws)
            environment = self.aws.environment(_without_settings(os.environ))
            _restore(environment)
            self.settings = Settings.load()
            self.clients = Clients.connect(self.settings, threads=1)
            report = provision(self.settings, self.topology)
            if not self.topology.fifo:  # SNS delivers FIFO topics to queues only
                ensure_archive(report.topic_arn, self.settings.name_prefix)
            self.processes = up.enter_context(Processes(self.directory, **self._named))
            for service, wanted in self.topology.services.items():
                count = self._workers if wanted.consumes else 1
                self.processes.start(
                    service, environment | self._own() | self._environment, count=count
                )
            self.processes.wait_until_ready()
            self._up = up.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._up.close()
        release_port(self._port)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request to order-api: a token, if it asks who calls."""
        if self._issuer is None:
            return {}
        return {"Authorization": f"Bearer {self._issuer.token('back-office', 'orders:operate')}"}

    def _own(self) -> dict[str, str]:
        return {
            "ALLOW_SIMULATION": "true",
            "API_DOCS": "true",
            "PORT": str(self._port),
            "STOP_TIMEOUT": str(STOP_TIMEOUT),
            "VISIBILITY_TIMEOUT": str(VISIBILITY_TIMEOUT),
        }


def _without_settings(environment: "os._Environ[str]") -> dict[str, str]:
    """Drop settings of the services, which may belong to another environment."""
    own = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in environment.items() if name not in own}


def _restore(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
