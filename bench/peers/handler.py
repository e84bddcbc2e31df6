"""What every peer in Python does with a message: parse it, and work as long as its order says.

Also reads what the harness tells a peer through the environment.
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
    """Work on one message, with the thread."""
    seconds = begin(order_of(body))
    if seconds:
        time.sleep(seconds)


async def handle_async(body: str) -> None:
    """Work on one message, without blocking the loop."""
    seconds = begin(order_of(body))
    if seconds:
        await asyncio.sleep(seconds)


def order_of(body: str) -> str:
    """Read the id of the order from an envelope, raw or in an SNS notification."""
    envelope = json.loads(body)
    if "Message" in envelope:
        envelope = json.loads(envelope["Message"])
    return envelope["data"]["orderId"]


def begin(order_id: str) -> float:
    """Note the start if asked to; return how long to work (s): "order-17.50000" says 50 ms."""
    if TRACE:
        _note(f"{order_id} {time.time()}\n")
    return int(order_id.rpartition(".")[2]) / 1e6


def _note(line: str) -> None:
    file = os.open(TRACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)
