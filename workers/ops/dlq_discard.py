"""Deletes a selection of dead letters for good."""

from dataclasses import dataclass

from workers.aws.dead_letters import take
from workers.aws.holding import Hold
from workers.aws.moving import batches, delete
from workers.ops.dlq_place import Place, interpreted
from workers.ops.dlq_select import Selection


@dataclass(frozen=True)
class Discarded:
    """What was deleted."""

    ids: tuple[str, ...]
    unread: int  # there, but not read


def discard(place: Place, selection: Selection) -> Discarded:
    """Delete the selected messages. What arrives meanwhile stays.

    Raises ``SelectionError``, ``RedriveError`` and what ``runtime.ports`` names.
    """
    taken = take(place.sqs, place.source)
    with Hold.of(place.sqs, place.source, taken.messages) as hold:
        read = interpreted(place, taken)
        ids = {letter.id for letter in read.choose(selection)}
        hold.let_go([message for message in taken.messages if message.id not in ids])
        for batch in batches([message for message in taken.messages if message.id in ids]):
            delete(place.sqs, place.source, batch)
            hold.drop(batch)
    return Discarded(tuple(sorted(ids)), taken.unread)
