"""The retention of inbox rows: longer than any event can keep coming back.

The longest path of one event, with the numbers of ``topology.json``:

    23 days  SNS retries a queue that does not answer, or whose answer got lost
    14 days  the event is in the dead-letter queue of the subscription until someone moves it
     4 days  it waits in the queue (``retention``)
    14 days  it is in the dead-letter queue (``dlq_retention``) until someone redrives it
     4 days  it waits in the queue again: a redrive resets the clock
    14 days  it is in the dead-letter queue again
    -------
    73 days

A second redrive of the same message this late is not covered: check its order first.
https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

from datetime import timedelta
from typing import Final

# Also for the keys of a payment gateway, which replace inbox rows before a commit.
INBOX_RETENTION: Final = timedelta(days=90)
