"""The actor and its broker; ``run.py`` starts dramatiq on this module."""

import os

import dramatiq
from dramatiq_sqs import SQSBroker
from handler import QUEUE, VISIBILITY_TIMEOUT, handle

# Its default of 12 hours avoids duplicates, but a message whose worker died waits as long.
defaults = bool(os.environ.get("BENCH_OWN_VISIBILITY_TIMEOUT"))
dramatiq.set_broker(SQSBroker() if defaults else SQSBroker(visibility_timeout=VISIBILITY_TIMEOUT))


@dramatiq.actor(queue_name=QUEUE)
def work(body: str) -> None:
    """Handle one message."""
    handle(body)
