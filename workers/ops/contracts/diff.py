"""Compares the contract of this code with those that were released.

Two versions of the code run side by side in every deploy, and events of older versions wait in
queues, dead letters and the archive. So a change has to be compatible in both directions, with
every released version; Confluent calls this FULL_TRANSITIVE:

- *Old consumers read new events.* A field may not disappear or take values that they refuse: their
  models are strict, and a value outside an enumeration, pattern or range is a dead letter.
- *New consumers read old events.* A field may not become required, or refuse what was allowed.

Consumers ignore unknown fields. What is left are new optional fields, new events, and the removal
of what was announced. AIP-180 advises caution with new values of an enumeration, because clients
may not expect them; our clients refuse them. Like here, a default and a meaning must not change.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html
https://google.aip.dev/180
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from workers.ops.contracts.contract import Contract, EventContract
from workers.ops.contracts.differences import (
    Difference,
    of_addition,
    of_field,
    of_removal,
    of_words,
)


@dataclass(frozen=True, slots=True)
class Change:
    """A difference and its place. ``field`` is empty for the event itself."""

    event: str
    field: str
    what: Difference


def changes(released: Sequence[Contract], new: Contract, *, today: date) -> list[Change]:
    """Compare a contract with all released ones; ``today`` decides about removals.

    A name that was removed stays taken: it may only come back as it was.
    """
    in_order = sorted(released, key=lambda each: each.number)
    newest, before = in_order[-1], _last_seen(in_order)
    found = [Change("*", "eventVersion", each) for each in _of_version(newest, new)]
    for name in sorted(before.keys() | new.events.keys()):
        was, now, last = before.get(name), new.events.get(name), newest.events.get(name)
        if was and now:
            found += (Change(name, path, each) for path, each in _of_event(was, last, now, today))
        elif now:
            found.append(Change(name, "", Difference("new event", breaking=False)))
        elif last:
            found.append(Change(name, "", of_removal(last, today)))
    return found


def _last_seen(released: Sequence[Contract]) -> dict[str, EventContract]:
    """Return each event, and in it each field, as the last version that had it."""
    seen: dict[str, EventContract] = {}
    for contract in released:
        for name, event in contract.events.items():
            fields = seen[name].fields | event.fields if name in seen else event.fields
            seen[name] = event.model_copy(update={"fields": fields})
    return seen


def _of_version(newest: Contract, new: Contract) -> Iterator[Difference]:
    if new.number < newest.number:
        text = f"{newest.version} is released, and this code has {new.version}"
        yield Difference(text, instead=f"continue after {newest.version}")
    elif new.version == newest.version and _shape(new) != _shape(newest):
        text = f"events changed, and the version is still {new.version}"
        yield Difference(text, instead="raise MINOR_VERSION in workers/envelope.py")


def _shape(contract: Contract) -> dict[tuple[str, str], Any]:
    """Return what can be seen on the wire, without descriptions and announcements."""
    return {
        (name, path): (field.required, field.rules)
        for name, event in contract.events.items()
        for path, field in event.fields.items()
    }


def _of_event(
    before: EventContract, last: EventContract | None, new: EventContract, today: date
) -> Iterator[tuple[str, Difference]]:
    """Compare an event field by field. Of an object that is new or gone, only itself."""
    for each in of_words(before, new):
        yield "", each
    for path in sorted(before.fields.keys() | new.fields.keys()):
        was, now = before.fields.get(path), new.fields.get(path)
        if was and now:
            for each in of_field(was, now):
                yield path, each
        elif now and _parent(path) in before.fields:
            yield path, of_addition(now)
        elif was and _had(last, path) and _parent(path) in new.fields:
            yield path, of_removal(was, today)


def _had(last: EventContract | None, path: str) -> bool:
    """Return whether the newest version had a field. An event that came back has to have all."""
    return last is None or path in last.fields


def _parent(path: str) -> str:
    """Return the path of the field that holds a field; the envelope holds itself."""
    return path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
