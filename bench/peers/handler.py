"""The handler of every Python peer: parses the message and works as long as its order says.

Also reads the configuration that the harness passes in the environment.
"""

import asyncio
import json
import os
import time

QUEUE = os.environ["BENCH_QUEUE"]
URL = os.environ["BENCH_QUEUE_URL"]
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
CONCURRENCY = int(os.environ["BENCH_CONCURRENCY"])
VISIBILITY_TIMEOUT = int(os.environ["BENCH_VISIBILITY_TIMEOUT"])  # s
WAIT = 20  # s, of a long poll
TRACE = os.environ.get("BENCH_TRACE")


def handle(body: str) -> None:
    """Handle one message; blocks the thread."""
    seconds = begin(order_of(body))
    if seconds:
        time.sleep(seconds)


async def handle_async(body: str) -> None:
    """Handle one message without blocking the event loop."""
    seconds = begin(order_of(body))
    if seconds:
        await asyncio.sleep(seconds)


def order_of(body: str) -> str:
    """Return the order id in an envelope, raw or in an SNS notification."""
    envelope = json.loads(body)
    if "Message" in envelope:
        envelope = json.loads(envelope["Message"])
    return envelope["data"]["orderId"]


def begin(order_id: str) -> float:
    """Record the start if requested. Returns the work (s): 0.05 for "order-17.50000"."""
    if TRACE:
        _note(f"{order_id} {time.time()}\n")
    return int(order_id.rpartition(".")[2]) / 1e6


def _note(line: str) -> None:
    file = os.open(TRACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)
