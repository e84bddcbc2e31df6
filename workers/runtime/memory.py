"""How long an event can keep coming back, and how long what it led to is remembered.

The longest way of one event, with the numbers of ``topology.json``:

    23 days  SNS retries a queue that does not answer, also one whose answer got lost
    14 days  it lies in the queue of what SNS could not deliver, until somebody moves it on
     4 days  it waits in the queue (``retention``)
    14 days  it lies in the dead-letter queue (``dlq_retention``), until somebody redrives it
     4 days  it waits in the queue again: a redrive starts the clock anew
    14 days  it lies in the dead-letter queue again
    -------
    73 days

A second redrive of the same message so late is not covered: look at its order first.
https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

from datetime import timedelta
from typing import Final

# Of inbox rows; and of the keys of a payment gateway, which stand in for them before a commit.
INBOX_RETENTION: Final = timedelta(days=90)
