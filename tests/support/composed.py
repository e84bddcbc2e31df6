"""A ``docker compose`` system with unique names and free ports, removed at the end."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen
from uuid import uuid4

from local.ports import release_port, reserve_port
from workers.topology import Topology

ROOT = Path(__file__).parents[2]
IMAGE = "workers:test"
LOCALSTACK = "localstack/localstack:4.14.0"
SERVICES = tuple(Topology.load().services)
_TIMEOUT = 300  # s for one command; a first build downloads the dependencies


def docker(*arguments, check=True, **named):
    """Run ``docker ...``; return the completed process."""
    done = subprocess.run(  # noqa: S603 - the arguments are ours
        ["docker", *arguments],  # noqa: S607 - wherever it is installed
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT,
        **named,
    )
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done


def engine_answers():
    return bool(shutil.which("docker")) and docker("info", check=False).returncode == 0


class Composed:
    """``docker compose`` with a unique project name, for all services or some."""

    def __init__(self, *services):
        self._services = services
        self.project = f"workers-test-{uuid4().hex[:8]}"
        self.ports = {
            name: reserve_port() for name in ("API_PORT", "LOCALSTACK_PORT", "PROMETHEUS_PORT")
        }
        for port in self.ports.values():
            release_port(port)  # Docker would not share it
        self._environment = (
            os.environ
            | {name: str(port) for name, port in self.ports.items()}
            | {"COMPOSE_FILE": ":".join(_files()), "COMPOSE_PROJECT_NAME": self.project}
            | {"IMAGE": IMAGE}
        )

    def __call__(self, *arguments, **named):
        """Run ``docker compose ...``."""
        return docker("compose", *arguments, env=self._environment, **named)

    def __enter__(self):
        try:
            self("up", "--build", "-d", "--wait", *self._services)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self("down", "-v", "--remove-orphans", "--timeout", "15")

    @property
    def api(self):
        return f"http://127.0.0.1:{self.ports['API_PORT']}"

    @property
    def network(self):
        return f"{self.project}_default"

    @property
    def aws(self):
        """The URL of this LocalStack for this process."""
        return f"http://127.0.0.1:{self.ports['LOCALSTACK_PORT']}"

    def environment(self, _inherited=None, *, endpoint="http://localstack:4566"):
        """Return variables that point an AWS client (by default, in a container) at LocalStack."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "eu-west-1",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def containers(self, *services):
        """Return the rows of ``ps``, including containers that have exited."""
        lines = self("ps", "-a", "--format", "json", *services).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def inspected(self, service):
        """Return the output of ``docker inspect`` for the first container of a service."""
        name = self.containers(service)[0]["Name"]
        return json.loads(docker("inspect", name).stdout)[0]

    def prometheus(self, expression):
        """Query Prometheus; return the samples as (labels, value)."""
        answer = get(
            f"http://127.0.0.1:{self.ports['PROMETHEUS_PORT']}/api/v1/query",
            query=expression,
        )
        return [(s["metric"], float(s["value"][1])) for s in answer["data"]["result"]]

    def mails(self):
        """List the mails that LocalStack's SES has accepted."""
        found = get(f"{self.aws}/_aws/ses")
        return [{"to": mail["Destination"]["ToAddresses"]} for mail in found["messages"]]


def without_java():
    """Return whether the local LocalStack image is the stand-in, where moto replaces DynamoDB."""
    label = '{{index .Config.Labels "standin.name"}}'
    found = docker("image", "inspect", f"--format={label}", LOCALSTACK, check=False)
    return bool(found.stdout.strip())


def _files():
    more = ["tests/containers/standin/docker-compose.yml"] if without_java() else []
    return ["docker-compose.yml", *more]


def get(url, **query):
    with urlopen(f"{url}?{urlencode(query)}", timeout=10) as answer:  # noqa: S310 - our own server
        return json.load(answer)


def timed(call, *arguments):
    """Return the duration of a call in seconds."""
    started = time.monotonic()
    call(*arguments)
    return time.monotonic() - started
