"""The running system that Terraform created. The demo can use it like its own system."""

from dataclasses import dataclass
from pathlib import Path

from local.aws.embedded import EmbeddedAws
from local.rehearsal.fargate import Fargate, Task
from workers.aws.clients import Clients
from workers.settings import Settings
from workers.topology import Topology


@dataclass
class Deployed:
    """A ``local.demo.run.RunningSystem`` on tasks from task definitions."""

    aws: EmbeddedAws
    processes: Fargate
    directory: Path
    name_prefix: str

    def __post_init__(self) -> None:
        """Connect to the embedded AWS, whose endpoint is in the environment of this process."""
        self.settings = Settings(name_prefix=self.name_prefix)
        self.topology = Topology.load()
        self.clients = Clients.connect(self.settings, threads=1)

    @property
    def api_url(self) -> str:
        """The address of the only task of order-api."""
        [api] = self.processes.of("order-api")
        return f"http://127.0.0.1:{api.child.environment['PORT']}"

    @property
    def headers(self) -> dict[str, str]:
        """The token of a caller that may do everything."""
        [api] = self.processes.of("order-api")
        client = api.container.environment["JWT_AUDIENCE"].split(",")[0]
        return {"Authorization": f"Bearer {self.processes.token(client, 'orders/operate')}"}


def handled_by(task: Task) -> int:
    """Count the messages that a task has settled according to its log."""
    lines = task.child.log.read_text("utf-8", "replace").splitlines()
    return sum('"message.settled"' in line for line in lines)
