"""The result of one examination."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Report:
    """Findings, each a line, and what could not be examined."""

    examined: str  # what was examined, with its size
    findings: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)


def passed(reports: list[Report], *, required: bool) -> bool:
    """Tell whether nothing was found and, if ``required``, everything could be examined."""
    return not any(each.findings or (required and each.not_checked) for each in reports)


def lines(reports: list[Report]) -> list[str]:
    """Format reports for people. What was not checked is never left out."""
    told = []
    for each in reports:
        if not each.findings and not each.not_checked:
            told.append(f"ok           {each.examined}")
        told += [f"FOUND        {finding}" for finding in each.findings]
        told += [f"NOT CHECKED  {reason}" for reason in each.not_checked]
    return told
