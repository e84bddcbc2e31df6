"""The actor and its broker; ``run.py`` starts dramatiq on this module."""

import dramatiq
from dramatiq_sqs import SQSBroker
from handler import QUEUE, handle

dramatiq.set_broker(SQSBroker())


@dramatiq.actor(queue_name=QUEUE)
def work(body: str) -> None:
    """Handle one message."""
    handle(body)
