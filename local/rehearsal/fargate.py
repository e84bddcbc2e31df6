"""Runs the tasks that ECS wants as processes, as Fargate would from their task definitions.

Each task is a process with the command and environment of its definition, and only the credentials
of its task role. It receives SIGTERM, and SIGKILL after its ``stopTimeout``. Four things differ
from Fargate: METRICS_PORT and PORT are free ports, because tasks share the addresses of this
machine; AWS_ENDPOINT_URL replaces DNS; logs go to a file, except for one line sent as the agent
would send it; and JWT_KEYS has the key of an issuer of this process, which signs in the name of
Cognito's user pool, because the embedded Cognito gives machines no tokens.
"""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

import boto3

from local.child import Child, wait_until_ready
from local.issuer import DevelopmentIssuer
from local.ports import release_port, reserve_port
from local.rehearsal.agent import Agent, running_agent
from local.rehearsal.container import TEMPORARY, Container, Unfit
from local.rehearsal.prepare import prepare
from local.rehearsal.roles import ACCOUNT, assume, session
from local.tether import Tether

ECS: Final = "ecs-tasks.amazonaws.com"
READY: Final = 60.0  # s until a task is ready; a busy machine is slow
HEALTH_TIMEOUT: Final = 30.0  # s


@dataclass
class Task:
    """One running task."""

    container: Container
    child: Child
    arn: str

    @property
    def service(self) -> str:
        """The service of the task."""
        return self.container.service

    def healthy(self) -> bool:
        """Run the health check of the definition, as ECS does inside the container."""
        done = subprocess.run(  # noqa: S603 - our own interpreter
            self.container.health_check,
            env={**self.child.environment, "METRICS_PORT": str(self.child.port)},
            timeout=HEALTH_TIMEOUT,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


class Fargate:
    """Runs tasks until the end of the ``with`` block."""

    def __init__(self, endpoint: str, cluster: str, directory: Path) -> None:
        self._endpoint, self._cluster, self._directory = endpoint, cluster, directory
        self._ecs: Any = boto3.client("ecs")
        self._region = boto3.Session().region_name
        self._up = ExitStack()
        self._agent: Agent
        self._tether: Tether
        self._issuer = DevelopmentIssuer()
        self._started = 0
        self.tasks: list[Task] = []
        self.every: list[Task] = []  # including those that have ended
        self.restarts = 0  # always: a task that ends by itself is an error

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._agent = self._up.enter_context(running_agent())
        self._tether = self._up.enter_context(Tether())
        self._up.callback(lambda: self._end(self.tasks))
        return self

    def __exit__(self, *_: object) -> None:
        self._up.close()

    def reconcile(self) -> dict[str, int]:
        """Start and stop tasks until each service has its desired count. Returns exit codes.

        Raises ``Unfit``, ``NotTrusted`` or ``NotReady`` if a task cannot start.
        """
        codes: dict[str, int] = {}
        for service in self._services():
            running = self.of(service["serviceName"])
            for _ in range(service["desiredCount"] - len(running)):
                self._start(service)
            codes |= self._end(running[service["desiredCount"] :])
        wait_until_ready([task.child for task in self.tasks], READY)
        return codes

    def token(self, client: str, *scopes: str) -> str:
        """Return an access token as Cognito gives it to a client for machines."""
        [api] = self.of("order-api")
        issuer = api.container.environment["JWT_ISSUER"]
        return self._issuer.token(client, *scopes, iss=issuer, aud=None, client_id=client)

    def of(self, service: str) -> list[Task]:
        """List the tasks of a service, oldest first."""
        return [task for task in self.tasks if task.service == service]

    def scale(self, service: str, count: int) -> dict[str, int]:
        """Set the desired count of a service, as an operator or auto scaling does."""
        self._ecs.update_service(cluster=self._cluster, service=service, desiredCount=count)
        return self.reconcile()

    def replace(self, service: str, changes: Mapping[str, str]) -> dict[str, int]:
        """Deploy a service with a changed environment: start new tasks, then stop the old ones."""
        [wanted] = [each for each in self._services() if each["serviceName"] == service]
        old = self.of(service)
        for _ in old:
            self._start(wanted, changes)
        wait_until_ready([task.child for task in self.of(service)], READY)
        return self._end(old)

    def stop(self) -> dict[str, int]:
        """Stop all tasks. Returns exit codes by name."""
        return self._end(self.tasks)

    def _services(self) -> Iterator[Mapping[str, Any]]:
        pages = self._ecs.get_paginator("list_services").paginate(cluster=self._cluster)
        for page in pages:
            answer = self._ecs.describe_services(
                cluster=self._cluster, services=page["serviceArns"]
            )
            if answer["failures"]:
                raise Unfit(f"ECS does not describe its services: {answer['failures']}")
            yield from (each for each in answer["services"] if each["status"] == "ACTIVE")

    def _start(self, service: Mapping[str, Any], changes: Mapping[str, str] | None = None) -> None:
        container = Container.read(self._ecs, service)
        if faults := container.faults():
            raise Unfit("; ".join(faults))
        self._started += 1
        name, task_id = f"{container.service}-{self._started}", uuid4().hex
        arn = f"arn:aws:ecs:{self._region}:{ACCOUNT}:task/{self._cluster}/{task_id}"
        child = Child(
            service=container.service,
            name=name,
            command=container.command,
            environment=self._environment(container, arn) | dict(changes or {}),
            group=self._tether.group,
            port=reserve_port(),
            log=self._directory / f"{name}.log",
        )
        child.start()
        task = Task(container, child, arn)
        self.tasks.append(task)
        self.every.append(task)

    def _environment(self, container: Container, arn: str) -> dict[str, str]:
        """Combine the environments of machine, agent, secrets and definition."""
        task_id = arn.rpartition("/")[2]
        context = {"aws:sourceaccount": ACCOUNT, "aws:sourcearn": arn}
        execution, own = (
            assume(container.task[role], principal=ECS, context=context, name=task_id)
            for role in ("executionRoleArn", "taskRoleArn")
        )
        secrets = prepare(container, session(execution), task_id)
        agent = self._agent.admit(task_id, arn=arn, cluster=self._cluster, credentials=own)
        machine = {"HOME": TEMPORARY, "PATH": os.defpath, "AWS_ENDPOINT_URL": self._endpoint}
        free = {"PORT": str(reserve_port())} if "PORT" in container.environment else {}
        keys = {"JWT_KEYS": self._issuer.document()} if "AUTH" in container.environment else {}
        return machine | agent | secrets | container.environment | free | keys

    def _end(self, tasks: Sequence[Task]) -> dict[str, int]:
        """Stop tasks as ECS does. Returns exit codes by name."""
        tasks = list(tasks)
        for task in tasks:
            task.child.terminate()
        started = time.monotonic()
        codes: dict[str, int] = {}
        for task in tasks:
            left = task.container.stop_timeout - (time.monotonic() - started)
            codes[task.child.name] = task.child.wait(left)
            self.tasks.remove(task)
            release_port(task.child.port)
        return codes
