"""The two ids of a message that goes to a FIFO topic or queue.

SNS and SQS drop a message with the deduplication id of one that they accepted in the last five
minutes, and answer as if they had accepted it. So an id must say which *sending* is repeated:

- an event on the topic has its own id, so publishing it again within five minutes delivers it once;
- a dead letter has the id of the message it was: a repeated dead-lettering leaves one;
- a redriven message has the id of the dead letter, and a replayed event an id of the replay. With
  the event's own id, a redrive soon after the first delivery would lose the message;
- a corrected event has its new id: it differs from the dead letter, and from other corrections.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
"""

import re
from typing import Final, TypedDict

# 1 to 128 letters, digits and punctuation, for both ids:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_ACCEPTED: Final = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\]\\^_`{|}~]{1,128}")


class Ids(TypedDict, total=False):
    """The parameters of a send; empty for a standard topic or queue."""

    MessageGroupId: str
    MessageDeduplicationId: str


def ids(group: str, deduplication_id: str) -> Ids:
    """Return the parameters of a message of ``group``.

    A message without an acceptable group is a group of its own: it waits for no other.
    """
    group = group if _ACCEPTED.fullmatch(group) else deduplication_id
    return Ids(MessageGroupId=group, MessageDeduplicationId=deduplication_id)
