"""The ECS agent of the rehearsal: serves credentials and task protection to each task.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from local.rehearsal.roles import Credentials, session

_LOOPBACK: Final = "127.0.0.1"
_CREDENTIALS: Final = "credentials"
_PROTECTION: Final = "task-protection/v1/state"

# Status and JSON document.
Reply = tuple[HTTPStatus, Mapping[str, Any]]
_NOT_FOUND: Final[Reply] = (HTTPStatus.NOT_FOUND, {"error": "not found"})


@dataclass(frozen=True)
class _Task:
    arn: str
    cluster: str
    credentials: Credentials


class Agent(ThreadingHTTPServer):
    """One agent for all tasks of this machine; each task has its own path."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__((_LOOPBACK, 0), _Handler)
        self._tasks: dict[str, _Task] = {}  # by id

    def admit(
        self, task_id: str, *, arn: str, cluster: str, credentials: Credentials
    ) -> dict[str, str]:
        """Serve a task. Returns the variables that the agent adds to its environment.

        On Fargate the credentials are served on a link-local address of the task.
        """
        self._tasks[task_id] = _Task(arn, cluster, credentials)
        url = f"http://{_LOOPBACK}:{self.server_port}/{task_id}"
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/credentials", "ECS_AGENT_URI": url}

    def credentials(self, path: str) -> Reply:
        """Answer with the credentials of the task in ``path``."""
        task, resource = self._find(path)
        if task is None or resource != _CREDENTIALS:
            return _NOT_FOUND
        given = task.credentials
        return HTTPStatus.OK, {
            "AccessKeyId": given["AccessKeyId"],
            "SecretAccessKey": given["SecretAccessKey"],
            "Token": given["SessionToken"],
            "Expiration": given["Expiration"].isoformat(),
        }

    def protect(self, path: str, state: Mapping[str, Any]) -> Reply:
        """Set the protection of the task in ``path``, with the rights of its own role."""
        task, resource = self._find(path)
        if task is None or resource != _PROTECTION:
            return _NOT_FOUND
        minutes = (
            {"expiresInMinutes": state["ExpiresInMinutes"]} if "ExpiresInMinutes" in state else {}
        )
        try:
            session(task.credentials).client("ecs").update_task_protection(
                cluster=task.cluster,
                tasks=[task.arn],
                protectionEnabled=state["ProtectionEnabled"],
                **minutes,
            )
        except ClientError as refused:
            error = {"Arn": task.arn, **refused.response["Error"]}
            return HTTPStatus.BAD_REQUEST, {"error": error}
        return HTTPStatus.OK, {"protection": {"TaskArn": task.arn, **state}}

    def _find(self, path: str) -> tuple[_Task | None, str]:
        task_id, _, resource = path.removeprefix("/").partition("/")
        return self._tasks.get(task_id), resource


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(*cast("Agent", self.server).credentials(self.path))

    def do_PUT(self) -> None:
        state = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._reply(*cast("Agent", self.server).protect(self.path, state))

    def _reply(self, status: HTTPStatus, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def running_agent() -> Iterator[Agent]:
    """Serve for the duration of the block."""
    with Agent() as agent:
        thread = Thread(target=agent.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield agent
        agent.shutdown()
        thread.join()
