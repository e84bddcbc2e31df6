"""Asks the process in this container how it is. Imports little: containers ask all the time."""

import http.client
import sys
from typing import Final

METRICS_PORT: Final = 9090  # unless the setting says otherwise
TIMEOUT: Final = 4  # s; below the 5 s that container health checks usually get

HEALTHY: Final = 0
UNHEALTHY: Final = 1


def ask(port: int, *, ready: bool) -> int:
    """Ask whether it lives, or whether it takes work; print the answer. Returns the exit code."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/readyz" if ready else "/livez")
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        print(f"workers: no answer: {error!r}", file=sys.stderr)  # noqa: T201 - docker inspect shows it
        return UNHEALTHY
    print(body)  # noqa: T201 - as above
    return HEALTHY if answer.status == http.client.OK else UNHEALTHY
