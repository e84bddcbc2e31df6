"""The next step for a dead letter, by its type of failure."""

from typing import Final

from workers.ops.dlq import DeadMessage
from workers.ops.dlq_rows import Known

_REDRIVE: Final = "workers dlq redrive {service} --group {group} --canary 1 --yes"
_BY_TYPE: Final = {
    "malformed": "The body is not an event. Fix its sender. Then correct this message "
    "(workers dlq edit), or discard it.",
    "unknown_type": "This version of {service} does not know the type. Deploy one that does, then: "
    + _REDRIVE,
    "unsupported_version": "The event has a newer major version. Deploy a {service} that reads it, "
    "then: " + _REDRIVE,
    "permanent": "The handler refused the event for good. Correct its data (workers dlq edit), or "
    "fix the handler and then: " + _REDRIVE,
    "worker_ended": "Each start of this message ended its worker. Read the log before those "
    "restarts, and do not redrive before the fix. Then: " + _REDRIVE,
    "handler_timeout": "The handler did not return. Give its outside calls a timeout, then: "
    + _REDRIVE,
    "unknown": "SQS moved the message after too many receives, so no worker left a reason. Look "
    "for its id in the log. To try it alone: "
    "workers dlq redrive {service} --id {id} --canary 1 --yes",
}


def next_step(letter: DeadMessage, known: Known, *, service: str, group: str) -> str:
    """Return what an operator can do about a dead letter."""
    if known.processed:
        text = (
            "The event was handled since: its effect is committed, and a redrive does nothing. "
            'Discard it: workers dlq discard {service} --id {id} --reason "handled" --yes'
        )
    else:
        text = _BY_TYPE.get(letter.type, "Fix the cause of the error, then: " + _REDRIVE)
    return text.format(service=service, group=group, id=letter.id)
