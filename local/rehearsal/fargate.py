"""Fargate on this machine: runs the tasks that ECS wants, as their task definitions say.

Each task is a process with the definition's command and environment, the credentials of its task
role, and no others. It gets SIGTERM, and SIGKILL after its ``stopTimeout``. Three things differ:
METRICS_PORT and PORT are free ports, for tasks share this machine's addresses, AWS_ENDPOINT_URL
stands for DNS, and logs go to a file, with a copy of the first lines sent as the agent would.
"""

import os
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

import boto3

from local.child import Child, wait_until_ready
from local.ports import release_port, reserve_port
from local.rehearsal.agent import running_agent
from local.rehearsal.container import TEMPORARY, Container
from local.rehearsal.prepare import prepare
from local.rehearsal.roles import ACCOUNT, assume, session
from local.tether import Tether

ECS = "ecs-tasks.amazonaws.com"
READY = 60.0  # s until a task takes work; a busy machine is slow
HEALTH_TIMEOUT = 30.0  # s


class Unfit(Exception):
    """Fargate could not, or should not, run a task definition; the text says why."""


@dataclass
class Task:
    """One task."""

    container: Container
    child: Child
    arn: str

    @property
    def service(self):
        return self.container.service

    def healthy(self):
        """Run the health check of its definition, as ECS does inside the container."""
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

    def __init__(self, endpoint, cluster, directory):
        self._endpoint, self._cluster, self._directory = endpoint, cluster, directory
        self._ecs, self._region = boto3.client("ecs"), boto3.Session().region_name
        self._up = ExitStack()
        self._started = 0
        self.tasks = []
        self.every = []  # those that have ended too
        self.restarts = 0  # nothing is started again: a task that ends is a fault

    def __enter__(self):
        self._directory.mkdir(parents=True, exist_ok=True)
        self._agent = self._up.enter_context(running_agent())
        self._tether = self._up.enter_context(Tether())
        self._up.callback(lambda: self._end(self.tasks))
        return self

    def __exit__(self, *_):
        self._up.close()

    def reconcile(self):
        """Start and stop tasks until each service has as many as ECS wants. Returns exit codes."""
        codes = {}
        for service in self._services():
            running = self.of(service["serviceName"])
            for _ in range(service["desiredCount"] - len(running)):
                self._start(service)
            codes |= self._end(running[service["desiredCount"] :])
        wait_until_ready([task.child for task in self.tasks], READY)
        return codes

    def of(self, service):
        """List the tasks of a service, oldest first."""
        return [task for task in self.tasks if task.service == service]

    def scale(self, service, count):
        """Set the desired count of a service, as a person or auto scaling does."""
        self._ecs.update_service(cluster=self._cluster, service=service, desiredCount=count)
        return self.reconcile()

    def replace(self, service, changes):
        """Deploy a service with a changed environment: new tasks first, then the old ones go."""
        [wanted] = [each for each in self._services() if each["serviceName"] == service]
        old = self.of(service)
        for _ in old:
            self._start(wanted, changes)
        wait_until_ready([task.child for task in self.of(service)], READY)
        return self._end(old)

    def stop(self):
        """Stop every task; returns exit codes by name."""
        return self._end(self.tasks)

    def _services(self):
        pages = self._ecs.get_paginator("list_services").paginate(cluster=self._cluster)
        for page in pages:
            answer = self._ecs.describe_services(
                cluster=self._cluster, services=page["serviceArns"]
            )
            assert not answer["failures"]
            yield from (each for each in answer["services"] if each["status"] == "ACTIVE")

    def _start(self, service, changes=()):
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
            environment=self._environment(container, arn) | dict(changes),
            group=self._tether.group,
            port=reserve_port(),
            log=self._directory / f"{name}.log",
        )
        child.start()
        task = Task(container, child, arn)
        self.tasks.append(task)
        self.every.append(task)

    def _environment(self, container, arn):
        """Compose what the process gets: from its definition, and from what is beside a task."""
        task_id = arn.rpartition("/")[2]
        context = {"aws:sourceaccount": ACCOUNT, "aws:sourcearn": arn}
        execution, own = (
            assume(container.task[role], service=ECS, context=context, name=task_id)
            for role in ("executionRoleArn", "taskRoleArn")
        )
        secrets = prepare(container, session(execution), task_id)
        beside = self._agent.admit(task_id, arn=arn, cluster=self._cluster, credentials=own)
        here = {"HOME": TEMPORARY, "PATH": os.defpath, "AWS_ENDPOINT_URL": self._endpoint}
        free = {"PORT": str(reserve_port())} if "PORT" in container.environment else {}
        return here | beside | secrets | container.environment | free

    def _end(self, tasks):
        """Stop tasks as ECS does; returns exit codes by name."""
        tasks = list(tasks)
        for task in tasks:
            task.child.ask_to_leave()
        started = time.monotonic()
        codes = {}
        for task in tasks:
            left = task.container.stop_timeout - (time.monotonic() - started)
            codes[task.child.name] = task.child.wait(left)
            self.tasks.remove(task)
            release_port(task.child.port)
        return codes
