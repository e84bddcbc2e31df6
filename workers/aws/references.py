"""Outcomes in an inbox row, some of them references to S3.

``outcomes`` is a list of texts. The SNS attributes of an event are derived from its text, but a
reference tells too little of its event. So a row with a reference also has ``outcomeAttributes``,
a map for each outcome. A version that knows no references refuses such a row as unreadable.
"""

from typing import Any, Final

from workers.envelope import Encoded
from workers.pointer import is_reference
from workers.runtime.ports import Outcomes

_ATTRIBUTES: Final = "outcomeAttributes"


def attributes_of(outcomes: Outcomes) -> dict[str, Any]:
    """Return the field for a row, if one of the outcomes is a reference."""
    if not any(is_reference(outcome.body) for outcome in outcomes):
        return {}
    maps = [
        {"M": {name: {"S": text} for name, text in outcome.attributes.items()}}
        for outcome in outcomes
    ]
    return {_ATTRIBUTES: {"L": maps}}


def outcomes_of(item: Any) -> tuple[Encoded, ...]:
    """Read the outcomes of a row. Raises ``EnvelopeError`` for a text that is no event."""
    bodies = [each["S"] for each in item["outcomes"]["L"]]
    if _ATTRIBUTES not in item:
        return tuple(map(Encoded.read, bodies))
    maps = [
        {name: text["S"] for name, text in each["M"].items()} for each in item[_ATTRIBUTES]["L"]
    ]
    return tuple(
        Encoded(attributes["eventId"], body, attributes)
        for body, attributes in zip(bodies, maps, strict=True)
    )
