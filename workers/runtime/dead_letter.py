"""The message attributes of a dead letter: why it failed, and what it was before a redrive.

A redrive keeps the attributes of a message. If it fails again, its new dead letter keeps the first
failure and the id of the first message, and counts the redrive.
"""

import re
from collections.abc import Mapping
from typing import Final

from workers.runtime.ports import Failure, Message

# The attributes that a worker asks for with each message. SQS takes a prefix followed by ".*":
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
WANTED: Final = ("failure.*", "source.messageId")
TEXTS: Final = frozenset({"failure.reason", "failure.trail"})  # for a person: they may be cut
MESSAGE_ID: Final = "source.messageId"
_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_COUNT: Final = re.compile(r"[0-9]{1,6}")


def attributes_of(message: Message, failure: Failure, at: str) -> dict[str, str]:
    """Return the attributes, those to keep first: ten, the most that SQS accepts.

    ``at`` is the present time. What does not fit into the message is left out from the end.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
    """
    texts = {
        "failure.type": failure.type,
        "failure.attempts": str(failure.attempts),
        "failure.at": at,
        "failure.first_at": first_failure(message) or at,
        "failure.redrives": str(redrives(message)),
        MESSAGE_ID: first_id(message),
        "failure.key": failure.key,
        "failure.stack": failure.stack,
        "failure.reason": failure.reason,
        "failure.trail": failure.trail,
    }
    return {name: text for name, text in texts.items() if text or name == "failure.reason"}


def first_id(message: Message) -> str:
    """Return the SQS id of the message before any redrive."""
    known = message.attributes.get(MESSAGE_ID, "")
    return known if _ID.fullmatch(known) else message.id


def first_failure(message: Message) -> str:
    """Return when the message was first dead-lettered; empty if it never was."""
    return _known(message.attributes, "failure.first_at") or _known(
        message.attributes, "failure.at"
    )


def redrives(message: Message) -> int:
    """Return how often the message was redriven."""
    if "failure.type" not in message.attributes:
        return 0
    before = message.attributes.get("failure.redrives", "")
    return 1 + (int(before) if _COUNT.fullmatch(before) else 0)


def _known(attributes: Mapping[str, str], name: str) -> str:
    return attributes.get(name, "")[:40]  # a time; a sender may have written anything
