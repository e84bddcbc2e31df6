"""taskhawk's consumer: receives ten, handles in order, deletes one by one; a process per slot.

https://github.com/cloudchacho/taskhawk-python
"""

import multiprocessing
import os

import taskhawk
from handler import CONCURRENCY, ENDPOINT, QUEUE, handle
from taskhawk.conf import configure_with_object
from taskhawk.consumer import listen_for_messages

configure_with_object(
    {
        "AWS_REGION": os.environ["AWS_REGION"],
        "AWS_ACCOUNT_ID": "000000000000",
        "AWS_ACCESS_KEY": os.environ["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
        "AWS_ENDPOINT_SQS": ENDPOINT,
        "TASKHAWK_QUEUE": QUEUE.removeprefix("TASKHAWK-"),
        "TASKHAWK_CONSUMER_BACKEND": "taskhawk.backends.aws.AWSSQSConsumerBackend",
    }
)


@taskhawk.task(name="tasks.work")
def work(body: str) -> None:
    """Handle one message."""
    handle(body)


def process() -> None:
    """Consume the queue forever."""
    listen_for_messages(taskhawk.Priority.default, num_messages=10)


forked = multiprocessing.get_context("fork")
for _ in range(CONCURRENCY):
    forked.Process(target=process).start()
