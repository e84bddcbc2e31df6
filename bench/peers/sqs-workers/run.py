"""Doist's sqs-workers: receives ten, handles in order, deletes ten; one process per slot.

https://github.com/Doist/sqs-workers
"""

import multiprocessing

from handler import CONCURRENCY, QUEUE, WAIT, handle
from sqs_workers import RawQueue, SQSEnv


def process() -> None:
    """Consume the queue forever."""
    queue = SQSEnv().queue(QUEUE, RawQueue)
    queue.raw_processor()(lambda message: handle(message.body))
    queue.process_queue(wait_second=WAIT)


forked = multiprocessing.get_context("fork")
for _ in range(CONCURRENCY):
    forked.Process(target=process).start()
