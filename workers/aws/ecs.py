"""Scale-in protection of the ECS task that this process runs in."""

import json
from typing import Final

import urllib3

from workers.runtime.errors import Unavailable

CONNECT_TIMEOUT: Final = 2.0  # s
READ_TIMEOUT: Final = 5.0  # s
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
_STATE: Final = "/task-protection/v1/state"


class EcsAgent:
    """The port ``TaskAgent``: ECS spares a protected task when it scales in or deploys."""

    def __init__(self, agent_uri: str) -> None:
        """``agent_uri`` is the environment's ``ECS_AGENT_URI``. Opens no connection yet."""
        self._url = agent_uri.rstrip("/") + _STATE
        self._http = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        )

    def protect(self, *, enabled: bool, minutes: int) -> None:
        """Protect the task for ``minutes`` (1 to 2880), or stop protecting it.

        Raises ``Unavailable`` if the agent does not answer or does not agree.
        """
        state = {"ProtectionEnabled": enabled} | ({"ExpiresInMinutes": minutes} if enabled else {})
        try:
            answer = self._http.request("PUT", self._url, json=state)
        except urllib3.exceptions.HTTPError as error:
            raise _unavailable(str(error)) from error
        if answer.status != 200 or not _agreed(answer.data):  # noqa: PLR2004 - HTTP's OK
            raise _unavailable(f"{answer.status} {answer.data[:200]!r}")


def _agreed(body: bytes) -> bool:
    """Look for ``protection``: the agent may answer 200 with a failure."""
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and "protection" in answer


def _unavailable(reason: str) -> Unavailable:
    return Unavailable(f"ecs-agent: {reason}", dependency="ecs-agent")
