"""The system as Terraform made it, running; the demo plays on it as on its own."""

from dataclasses import dataclass
from pathlib import Path

from local.aws.embedded import EmbeddedAws
from local.rehearsal.fargate import Fargate
from workers.aws.clients import Clients
from workers.settings import Settings
from workers.topology import Topology


@dataclass
class Deployed:
    """What ``local.demo.run.Demo`` needs of a system, on tasks from task definitions."""

    aws: EmbeddedAws
    processes: Fargate
    directory: Path
    name_prefix: str

    def __post_init__(self):
        self.settings = Settings(name_prefix=self.name_prefix)
        self.topology = Topology.load()
        self.clients = Clients.connect(self.settings, threads=1)

    @property
    def api_url(self):
        [api] = self.processes.of("order-api")
        return f"http://127.0.0.1:{api.child.environment['PORT']}"


def handled_by(task):
    """Count the messages that a task has settled, as its log says."""
    lines = task.child.log.read_text("utf-8", "replace").splitlines()
    return sum('"message.settled"' in line for line in lines)
