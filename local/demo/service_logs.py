"""Reads the logs of the services, which survive killed processes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True)
class ServiceLogs:
    """The logs of all services."""

    outcomes: Mapping[str, Counter[str]]  # service -> outcome -> messages
    text: str  # all lines, for searching

    @property
    def repeated(self) -> int:
        """The number of messages that had been handled before."""
        return sum(outcomes["repeated"] for outcomes in self.outcomes.values())


def read(directory: Path) -> ServiceLogs:
    """Read every log file in a directory. Lines truncated by a kill are skipped."""
    text = "".join(path.read_text("utf-8", "replace") for path in sorted(directory.glob("*.log")))
    outcomes: dict[str, Counter[str]] = {}
    for line in _lines(text):
        if line.get("event") == "message.settled":
            outcomes.setdefault(str(line.get("service")), Counter())[str(line["outcome"])] += 1
    return ServiceLogs(outcomes, text)


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            parsed = orjson.loads(line)
        except ValueError:
            continue
        if isinstance(parsed, dict):
            yield parsed
