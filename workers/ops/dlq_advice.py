"""The next step for a dead letter, by its type of failure."""

from collections import Counter
from collections.abc import Iterable
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
    "foreign_source": "On the map of {service}, the source does not publish this type. If the "
    "source is new on the map, deploy {service} with that map, then: " + _REDRIVE + " Otherwise "
    "somebody forged the event: see docs/runbooks/forged-events.md.",
    "unsigned": "The event has no signature, and {service} requires one. It is forged, or from "
    "before events were signed: see docs/runbooks/sign-events.md.",
    "unknown_key": "The event is signed with a key that {service} does not have. If the key is "
    "ours, add it to SIGNING_KEYS of {service}, then: " + _REDRIVE,
    "wrong_signature": "The event was altered or forged: see docs/runbooks/forged-events.md. "
    "A redrive would be refused again.",
    "too_old": "The inbox may have forgotten that the event was handled: check its order. Discard "
    "the message, or send a new event with another occurredAt (workers dlq edit).",
    "wrong_amount": "The report names money that is not the order's. Compare the order with what "
    "the customer was charged: see docs/runbooks/forged-events.md.",
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


# The service refuses these again, as long as its map and its keys are the same.
_DISTRUSTED: Final = frozenset(
    {"foreign_source", "unsigned", "unknown_key", "wrong_signature", "too_old", "wrong_amount"}
)


def warning(letters: Iterable[DeadMessage]) -> str:
    """Say which of the letters a redrive would bring back to the dead-letter queue, or nothing."""
    counts = Counter(letter.type for letter in letters if letter.type in _DISTRUSTED)
    if not counts:
        return ""
    told = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    return f"{told}: the service did not believe these, and would refuse them again; see dlq show"


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
