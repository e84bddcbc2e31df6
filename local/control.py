"""Lets ``workers local status`` and ``restart`` ask the system that runs in this directory.

It listens on a Unix socket that only its owner may open. A request is one line of JSON, and so is
the answer.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final

PATIENCE: Final = 120.0  # s; a restart waits for the old process, then for the new one
MAX_REQUEST: Final = 64 * 1024  # bytes

Action = Callable[..., Any]  # takes the fields of the request by name


class NotRunning(Exception):
    """No system runs in this directory."""


class Refused(Exception):
    """The system could not do it; the message says why."""


@contextmanager
def listening(path: Path, actions: Mapping[str, Action]) -> Iterator[None]:
    """Answer requests for the duration of the block. ``actions`` may raise ``Refused``."""
    path.unlink(missing_ok=True)  # of a system that was killed; the lock says that it is gone
    with socket.socket(socket.AF_UNIX) as server:
        before = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(before)
        server.listen()
        Thread(target=_accept, args=(server, actions), name="control", daemon=True).start()
        try:
            yield
        finally:
            with suppress(OSError):  # wakes the thread
                server.shutdown(socket.SHUT_RDWR)
            path.unlink(missing_ok=True)


def ask(path: Path, action: str, **fields: Any) -> Any:
    """Send a request and return the answer. Raises ``NotRunning`` and ``Refused``."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning("no system runs here; `workers local` starts one") from None
        client.sendall(json.dumps({"action": action, **fields}).encode() + b"\n")
        line = client.makefile("rb").readline()
    if not line:
        raise NotRunning("the system ended meanwhile")
    answer = json.loads(line)
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["result"]


def _accept(server: socket.socket, actions: Mapping[str, Action]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        Thread(target=_answer, args=(connection, actions), daemon=True).start()


def _answer(connection: socket.socket, actions: Mapping[str, Action]) -> None:
    with connection, suppress(OSError):
        connection.settimeout(PATIENCE)
        line = connection.makefile("rb").readline(MAX_REQUEST)
        connection.sendall(json.dumps(_result(line, actions)).encode() + b"\n")


def _result(line: bytes, actions: Mapping[str, Action]) -> dict[str, Any]:
    try:
        request = json.loads(line)
        action = actions[request.pop("action")]
        return {"result": action(**request)}
    except Refused as refused:
        return {"error": str(refused)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return {"error": f"not a request: {error!r}"}
