"""Protects the ECS task of this process from scale-in."""

import json
import re
from typing import Final

import urllib3

from workers.runtime.errors import Unavailable

CONNECT_TIMEOUT: Final = 2.0  # s
READ_TIMEOUT: Final = 5.0  # s
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
_STATE: Final = "/task-protection/v1/state"
_TASK: Final = re.compile("[0-9a-f]{32}")


def task_of(agent_uri: str | None) -> str:
    """Return the ID of the task that an agent's address names; empty if it names none.

    On Fargate the last part of the address is the container: the task's ID, a hyphen, a number. AWS
    documents this form for the container's ID, but not for the address: nothing depends on it.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
    """
    container = (agent_uri or "").rstrip("/").rpartition("/")[2]
    task = container.partition("-")[0]
    return task if _TASK.fullmatch(task) else ""


class EcsAgent:
    """Implements ``TaskAgent``. ECS does not stop a protected task to scale in or to deploy."""

    def __init__(self, agent_uri: str) -> None:
        """``agent_uri`` is the environment variable ``ECS_AGENT_URI``. Opens no connection."""
        self._url = agent_uri.rstrip("/") + _STATE
        self._http = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        )

    def protect(self, *, enabled: bool, minutes: int) -> None:
        """Protect the task for ``minutes`` (1 to 2880), or stop protecting it.

        Raises ``Unavailable`` if the agent does not respond or refuses.
        """
        state = {"ProtectionEnabled": enabled} | ({"ExpiresInMinutes": minutes} if enabled else {})
        try:
            response = self._http.request("PUT", self._url, json=state)
        except urllib3.exceptions.HTTPError as error:
            raise _unavailable(str(error)) from error
        if response.status != 200 or not _succeeded(response.data):  # noqa: PLR2004 - HTTP's OK
            raise _unavailable(f"{response.status} {response.data[:200]!r}")


def _succeeded(body: bytes) -> bool:
    """Tell whether the body has ``protection``: the agent may report a failure with status 200."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return False
    return isinstance(parsed, dict) and "protection" in parsed


def _unavailable(reason: str) -> Unavailable:
    return Unavailable(f"ecs-agent: {reason}", dependency="ecs-agent")
