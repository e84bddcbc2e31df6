"""The image and the composed system run on a real Docker engine."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.aws_calls import client
from support.composed import IMAGE, ROOT, Composed, docker, engine_answers
from support.eventually import eventually
from support.world import World

PATIENCE = 60  # s
OBEDIENT = ROOT / "tests" / "process" / "obedient.py"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(420))


@pytest.fixture(scope="session")
def composed():
    """Start the whole system; return it when it is healthy."""
    if not engine_answers():
        pytest.skip("NOT TESTED: no Docker engine answers")
    with Composed() as system:
        yield system


@pytest.fixture(scope="session")
def image(composed):
    assert composed.project  # the fixture has built the image
    return IMAGE


@pytest.fixture
def aws(composed, monkeypatch):
    """Let the SDK of this process talk to the composed LocalStack."""
    for name, value in composed.environment(endpoint=composed.aws).items():
        monkeypatch.setenv(name, value)
    return composed


@pytest.fixture
def world(aws, tmp_path):
    gates = tmp_path / "gates"
    gates.mkdir()
    return World(aws, client("sqs"), client("dynamodb"), gates)


@dataclass
class Container:
    """A container of one service, and its log."""

    id: str

    def lines(self, event, **fields):
        """Return the log lines so far with an event and these fields."""
        lines = map(json.loads, docker("logs", self.id).stdout.splitlines())
        return [line for line in lines if ({"event": event} | fields).items() <= line.items()]

    def says(self, event, **fields):
        eventually(lambda: self.lines(event, **fields), PATIENCE)

    def ready(self):
        asked = docker("exec", self.id, "workers", "healthcheck", "--ready", check=False)
        return asked.returncode == 0

    def ends(self):
        """Wait for the end; return the exit code."""
        return int(docker("wait", self.id).stdout)


@pytest.fixture
def run(composed):
    """Return a function that starts a container; remove it after the test."""
    started = []

    def run(*command, network=composed.network, options=(), **environment):
        settings = [f"--env={name}={value}" for name, value in environment.items()]
        hardened = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
        name = docker("run", "-d", f"--network={network}", *hardened, *settings, *options, *command)
        started.append(name.stdout.strip())
        return Container(started[-1])

    yield run
    if started:
        docker("rm", "-f", *started)


@pytest.fixture
def work(run, image, world):
    """Return a function that starts a test worker as process 1 of a container."""

    def work(**changes):
        worker = run(
            image,
            "/obedient.py",
            "run",
            "payment",
            options=(
                "--entrypoint=python",
                f"--volume={OBEDIENT}:/obedient.py:ro",
                f"--volume={world.gates}:/gates:ro",
            ),
            **(world.environment | {"GATES": "/gates", "METRICS_PORT": "9090"} | changes),
        )
        eventually(worker.ready, PATIENCE)
        return worker

    return work
