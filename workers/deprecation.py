"""Marks in the JSON Schema of a field or an event, for ``workers schema diff``.

They are values of ``json_schema_extra``, of ``Field`` for a field and of ``ConfigDict`` for an
event, and change nothing at run time.
"""

from datetime import date
from typing import Final

from pydantic.config import JsonDict

DEPRECATION: Final = "x-deprecation"
REWORDED: Final = "x-reworded"


def deprecated(*, since: str, removed_not_before: date, instead: str) -> JsonDict:
    """Announce a removal.

    ``since`` is the version of the events that announced it, ``removed_not_before`` the first day
    (UTC) on which it may be removed, ``instead`` what consumers use by then.
    """
    told: JsonDict = {
        "since": since,
        "removedNotBefore": removed_not_before.isoformat(),
        "instead": instead,
    }
    return {"deprecated": True, DEPRECATION: told}


def reworded(times: int) -> JsonDict:
    """Declare that a description has new words and its old meaning; count each time."""
    return {REWORDED: times}
