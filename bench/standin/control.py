"""The control interface for the harness: ``POST /bench/...`` loads, releases, waits, reports."""

import asyncio
import ssl
from collections.abc import Callable
from time import time
from typing import Any

import orjson

from bench.processes import cpu_seconds
from bench.standin.faults import Faults
from bench.standin.http import Connection, Request
from bench.standin.queue import Queue
from bench.standin.server import Server

PREFIX = "/bench/"


class Control:
    """Holds messages until the client has warmed up, and samples its CPU time."""

    def __init__(self, port: int) -> None:
        self.server = Server(port, on_receive=self._note_receive, on_drained=self._note_drained)
        self._held: list[tuple[str, str, float]] = []  # queue, body, delay (s)
        self._to_come = 0
        self._pids: list[int] = []
        self._samples: dict[str, dict[str, float]] = {}
        self._waiting: list[Callable[[], None]] = []

    def connection(self) -> Connection:
        """Return the protocol for a new connection."""
        return Connection(self._serve)

    def _serve(self, request: Request) -> None:
        if request.path.startswith(PREFIX):
            asked = orjson.loads(request.body)
            getattr(self, f"_do_{request.path.removeprefix(PREFIX)}")(request, **asked)
        else:
            self.server.serve(request)

    def _do_configure(
        self,
        request: Request,
        *,
        queue: str,
        visibility_timeout: float,
        faults: dict[str, Any],
        topic: str,
        tables: list[str],
    ) -> None:
        """Create what one peer needs: its queues, tables, and a topic without subscribers."""
        for name in (queue, f"{queue}-dlq"):
            self.server.sqs.queue(name).queue.visibility_timeout = visibility_timeout
        self.server.sns.topics.setdefault(topic, [])
        for table in tables:
            self.server.dynamodb.create(table)
        self.server.faults = Faults(**faults)
        request.reply(b"{}")

    def _do_load(self, request: Request, messages: list[tuple[str, str, float]]) -> None:
        self._held += messages
        request.reply(b"{}")

    def _do_watch(self, request: Request, pids: list[int]) -> None:
        self._pids = pids
        request.reply(b"{}")

    def _do_release(self, request: Request) -> None:
        """Send the messages, each after its delay, and reset the counters."""
        self.server.clear_figures()
        self._samples["released"] = self._sample()
        held, self._held = self._held, []
        self._to_come = len(held)
        loop = asyncio.get_running_loop()
        for queue, body, delay in held:
            if delay:
                loop.call_later(delay, self._arrive, queue, body)
            else:
                self._to_come -= 1
                self.server.sqs.queue(queue).queue.send(body, time())
        for polls in self.server.sqs.queues.values():
            polls.wake()
        request.reply(b"{}")

    def _do_drained(self, request: Request, timeout: float) -> None:
        """Answer true as soon as no message is left, or false after ``timeout`` s."""
        if self._drained():
            request.reply(b"true")
            return

        def give_up() -> None:
            self._waiting.remove(tell)
            request.reply(b"false")

        timer = asyncio.get_running_loop().call_later(timeout, give_up)

        def tell() -> None:
            timer.cancel()
            request.reply(b"true")

        self._waiting.append(tell)

    def _do_report(self, request: Request) -> None:
        server = self.server
        report = {
            "actions": server.actions,
            "rush": server.rush.most,
            "published": server.sns.published,
            "faults": server.faults.counts,
            "confirmed": server.sns.confirmed,
            "emails": server.ses.sent,
            "units": server.dynamodb.units,
            "samples": {**self._samples, "now": self._sample()},
            "queues": {name: _figures(polls.queue) for name, polls in server.sqs.queues.items()},
        }
        request.reply(orjson.dumps(report))

    def _arrive(self, queue: str, body: str) -> None:
        self._to_come -= 1
        polls = self.server.sqs.queue(queue)
        polls.queue.send(body, time())
        polls.wake()

    def _note_receive(self) -> None:
        if "first receive" not in self._samples:
            self._samples["first receive"] = self._sample()

    def _note_drained(self) -> None:
        if self._drained():
            self._samples["drained"] = self._sample()
            waiting, self._waiting = self._waiting, []
            for tell in waiting:
                tell()

    def _drained(self) -> bool:
        return self._to_come == 0 and not any(queue.live for queue in self.server.queues())

    def _sample(self) -> dict[str, float]:
        return {"at": time(), "cpu": sum(map(cpu_seconds, self._pids))}


def _figures(queue: Queue) -> dict[str, Any]:
    return {
        "live": queue.live,
        "most in flight": queue.most_in_flight,
        "held": queue.held,
        "latencies": queue.latencies,
        "sent": [message.sent_at for message in queue.messages],
        **queue.tally,
    }


async def run(certificate: str = "") -> None:
    """Serve on a free port of the loopback interface until the process is ended.

    With the file of a key and its ``certificate``, serve TLS on a second port, too.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if tls:
        tls.load_cert_chain(certificate)
    listeners = [
        await asyncio.get_running_loop().create_server(
            lambda: control.connection(),  # noqa: PLW0108 - ``control`` exists only afterwards
            "127.0.0.1",
            0,
            backlog=512,
            ssl=context,
        )
        for context in ((None, tls) if tls else (None,))
    ]
    ports = [listener.sockets[0].getsockname()[1] for listener in listeners]
    control = Control(ports[0])
    print(*ports, flush=True)  # noqa: T201 - the harness waits for this line
    await asyncio.gather(*(listener.serve_forever() for listener in listeners))
