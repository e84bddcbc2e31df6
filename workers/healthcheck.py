"""Health check of the service in this container. Imports little, because it runs often."""

import http.client
import sys
from typing import Final

METRICS_PORT: Final = 9090  # the default of the setting
TIMEOUT: Final = 4  # s; less than the usual 5 s of a container health check

HEALTHY: Final = 0
UNHEALTHY: Final = 1


def ask(port: int, *, ready: bool) -> int:
    """Ask ``/livez``, or ``/readyz`` if ``ready``; print the answer and return the exit code."""
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
