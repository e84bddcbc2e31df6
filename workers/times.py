"""Times as text."""

from datetime import UTC, datetime
from functools import lru_cache


def iso(epoch: float) -> str:
    """Format a time (epoch seconds) as ISO 8601 in UTC with milliseconds."""
    seconds, milliseconds = divmod(int(epoch * 1_000), 1_000)
    return f"{_second(seconds)}.{milliseconds:03}+00:00"


@lru_cache(maxsize=256)  # the times of many messages share their second
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
