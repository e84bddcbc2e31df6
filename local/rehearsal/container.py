"""Reads the container of a task definition, and checks that it can run on Fargate."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.cost.task import SIZES

ROOT: Final = Path(__file__).parents[2]
TEMPORARY: Final = "/tmp"  # noqa: S108 - in the container
FARGATE_MAX_STOP: Final = 120  # s
_ROLES: Final = 2


class Unfit(Exception):
    """A task definition that Fargate cannot, or should not, run; the message says why."""


def entry_point() -> list[str]:
    """Read the entry point of the image from the Dockerfile."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    [words] = [line.removeprefix("ENTRYPOINT") for line in lines if line.startswith("ENTRYPOINT")]
    command: list[str] = json.loads(words)
    return command


def declared_volumes() -> list[str]:
    """Read from the Dockerfile the volumes that keep the mode of their directory in the image."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    return [line.split()[1] for line in lines if line.startswith("VOLUME")]


def local_command(words: Sequence[str]) -> list[str]:
    """Return the local equivalent of a command in the image. Raises ``Unfit``."""
    if words[0] != "workers":
        raise Unfit(f"the image has no program {words[0]}")
    return [sys.executable, "-m", *words]


@dataclass(frozen=True)
class Container:
    """A task definition and the container of its service, as ECS returns it."""

    service: str
    task: Mapping[str, Any]
    definition: Mapping[str, Any]

    @classmethod
    def read(cls, ecs: Any, service: Mapping[str, Any]) -> "Container":
        """Read the task definition of a service from ECS."""
        task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
        # A collector of traces may run next to it.
        [definition] = [
            each
            for each in task["taskDefinition"]["containerDefinitions"]
            if each["name"] == service["serviceName"]
        ]
        return cls(service["serviceName"], task["taskDefinition"], definition)

    @property
    def command(self) -> list[str]:
        """The command line to start the container's process on this machine."""
        return local_command(
            [*(self.definition.get("entryPoint") or entry_point()), *self.definition["command"]]
        )

    @property
    def health_check(self) -> list[str]:
        """The command line of the health check on this machine."""
        kind, *words = self.definition["healthCheck"]["command"]
        if kind != "CMD":
            raise Unfit(f"{self.service}: the health check must be CMD, not {kind}")
        return local_command(words)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of the definition."""
        return {each["name"]: each["value"] for each in self.definition["environment"]}

    @property
    def secrets(self) -> dict[str, str]:
        """The ARNs of secrets and parameters, by environment variable."""
        return {each["name"]: each["valueFrom"] for each in self.definition.get("secrets", [])}

    @property
    def stop_timeout(self) -> int:
        """The time from SIGTERM to SIGKILL (s)."""
        seconds: int = self.definition["stopTimeout"]
        return seconds

    @property
    def repository(self) -> str:
        """The repository of the image ``REGISTRY/name:tag`` or ``REGISTRY/name@digest``."""
        image: str = self.definition["image"]
        return re.split("[:@]", image.partition("/")[2])[0]

    @property
    def log_options(self) -> dict[str, str]:
        """The options of the log driver."""
        options: dict[str, str] = self.definition["logConfiguration"]["options"]
        return options

    def faults(self) -> list[str]:
        """List the rules that the definition breaks, one sentence each."""
        task, definition = self.task, self.definition
        roles = {task.get("taskRoleArn"), task.get("executionRoleArn")}
        rules = {
            "runs on Fargate only": task["requiresCompatibilities"] == ["FARGATE"],
            "has its own network interface": task["networkMode"] == "awsvpc",
            "has a size that Fargate offers": int(task["memory"])
            in SIZES.get(int(task["cpu"]), ()),
            "has a task role and another execution role": len(roles - {None}) == _ROLES,
            "is essential": definition["essential"],
            "does not run as root": definition["user"].split(":")[0] not in ("", "0", "root"),
            "has a read-only root file system": definition["readonlyRootFilesystem"],
            "is not privileged": not definition.get("privileged"),
            "drops all capabilities": definition["linuxParameters"]["capabilities"]["drop"]
            == ["ALL"],
            "has a volume for temporary files that its user can write to": self._can_write_to(
                TEMPORARY
            ),
            "has a stop timeout that Fargate allows": 1 <= self.stop_timeout <= FARGATE_MAX_STOP,
            "passes the stop timeout as STOP_TIMEOUT": self.environment["STOP_TIMEOUT"]
            == str(self.stop_timeout),
            "runs `healthcheck` as its health check": self.health_check[3:] == ["healthcheck"],
            "logs to CloudWatch": definition["logConfiguration"]["logDriver"] == "awslogs",
            "sets the log mode": self.log_options.get("mode") in ("blocking", "non-blocking"),
            "runs its image by digest": "@sha256:" in definition["image"],
            "runs the service that it is named after": definition["command"] == [self.service],
        }
        return [
            f"{self.service} breaks the rule: {rule}" for rule, kept in rules.items() if not kept
        ]

    def _can_write_to(self, path: str) -> bool:
        """Tell whether a writable volume is mounted that does not belong to root.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
        """
        mounts = self.definition["mountPoints"]
        writable = {each["containerPath"] for each in mounts if not each.get("readOnly")}
        return path in writable and path in declared_volumes()
