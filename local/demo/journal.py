"""What the services wrote into their logs: one line per message, whoever has been killed since."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True)
class Journal:
    """The logs of all services."""

    outcomes: Mapping[str, Counter[str]]  # service -> outcome -> messages
    text: str  # everything, to search

    @property
    def repeated(self) -> int:
        """How many messages turned out to have been handled before."""
        return sum(outcomes["repeated"] for outcomes in self.outcomes.values())


def read(directory: Path) -> Journal:
    """Read every log file below a directory. Lines cut off by a kill are passed over."""
    text = "".join(path.read_text("utf-8", "replace") for path in sorted(directory.glob("*.log")))
    outcomes: dict[str, Counter[str]] = {}
    for line in _lines(text):
        if line.get("event") == "message.settled":
            outcomes.setdefault(str(line.get("service")), Counter())[str(line["outcome"])] += 1
    return Journal(outcomes, text)


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            parsed = orjson.loads(line)
        except ValueError:
            continue
        if isinstance(parsed, dict):
            yield parsed
