"""What a task definition says about its one container, and what it must say to run on Fargate."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPORARY = "/tmp"  # noqa: S108 - in the container
FARGATE_MAX_STOP = 120  # s
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
MEMORY_PER_CPU = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192), 2048: (4096, 16384)}


def entry_point():
    """Read what the image starts a command with, from the Dockerfile."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    [words] = [line.removeprefix("ENTRYPOINT") for line in lines if line.startswith("ENTRYPOINT")]
    return json.loads(words)


def here(words):
    """Give the command line that does on this machine what ``words`` do in the image."""
    assert words[0] == "workers", f"the image has no program {words[0]}"
    return [sys.executable, "-m", *words]


@dataclass(frozen=True)
class Container:
    """A task definition with one container, read back from ECS."""

    service: str
    task: dict
    definition: dict

    @classmethod
    def read(cls, ecs, service):
        task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
        [definition] = task["taskDefinition"]["containerDefinitions"]
        return cls(service["serviceName"], task["taskDefinition"], definition)

    @property
    def command(self):
        return here(
            [*(self.definition.get("entryPoint") or entry_point()), *self.definition["command"]]
        )

    @property
    def health_check(self):
        kind, *words = self.definition["healthCheck"]["command"]
        assert kind == "CMD", "a shell in the image is not to be counted on"
        return here(words)

    @property
    def environment(self):
        return {each["name"]: each["value"] for each in self.definition["environment"]}

    @property
    def secrets(self):
        return {each["name"]: each["valueFrom"] for each in self.definition.get("secrets", [])}

    @property
    def stop_timeout(self):
        return self.definition["stopTimeout"]

    @property
    def repository(self):
        """Name the repository of the image: ``REGISTRY/name:tag``, or ``@digest``."""
        return re.split("[:@]", self.definition["image"].partition("/")[2])[0]

    @property
    def log_options(self):
        return self.definition["logConfiguration"]["options"]

    def faults(self):
        """Say what is wrong with it: each a sentence."""
        task, definition = self.task, self.definition
        roles = {task.get("taskRoleArn"), task.get("executionRoleArn")}
        least, most = MEMORY_PER_CPU.get(int(task["cpu"]), (0, 0))
        rules = {
            "runs on Fargate only": task["requiresCompatibilities"] == ["FARGATE"],
            "has a network interface of its own": task["networkMode"] == "awsvpc",
            "has a size that Fargate offers": least <= int(task["memory"]) <= most,
            "has two roles, one for the code and one for ECS": len(roles - {None}) == 2,
            "is essential": definition["essential"],
            "is not root": definition["user"].split(":")[0] not in ("", "0", "root"),
            "cannot write to its root": definition["readonlyRootFilesystem"],
            "is not privileged": not definition.get("privileged"),
            "drops all capabilities": definition["linuxParameters"]["capabilities"]["drop"]
            == ["ALL"],
            "has a place for temporary files": TEMPORARY in self._mounts,
            "is stopped in a time that Fargate grants": 1 <= self.stop_timeout <= FARGATE_MAX_STOP,
            "is told that time": self.environment["STOP_TIMEOUT"] == str(self.stop_timeout),
            "checks its health": self.health_check[3:] == ["healthcheck"],
            "logs to CloudWatch": definition["logConfiguration"]["logDriver"] == "awslogs",
            "says how it logs": self.log_options.get("mode") in ("blocking", "non-blocking"),
            "has an image whose tag does not move": not definition["image"].endswith(":latest"),
            "runs the service that it is named after": definition["command"] == [self.service],
        }
        return [f"{self.service}: not so: {rule}" for rule, kept in rules.items() if not kept]

    @property
    def _mounts(self):
        return {each["containerPath"] for each in self.definition["mountPoints"]}
