"""Durations as operators write and read them."""

import re
from typing import Final

FORM: Final = "write 90s, 10m, 2h or 1d"
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"([1-9]\d{0,6})([smhd])")


def seconds_of(text: str) -> int | None:
    """Parse ``90s``, ``10m``, ``2h`` or ``1d``; None for anything else."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def span(seconds: float | None) -> str:
    """Return a duration for a person; a hyphen if it is unknown."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
