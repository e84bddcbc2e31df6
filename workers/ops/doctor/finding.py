"""A thing that is wrong, and what to do about it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    area: str  # "queue", "table", ...
    subject: str  # the resource: "dev-payment-queue"
    problem: str
    remedy: str
    # "missing": the resource does not exist. "unchecked": nobody knows.
    kind: Literal["wrong", "missing", "unchecked"] = "wrong"

    def line(self) -> str:
        """Return the finding as one line."""
        return f"{self.area} {self.subject}: {self.problem}. {self.remedy}"


def unchecked(area: str, subject: str, reason: object, remedy: str) -> Finding:
    """Return the finding that a check could not run."""
    text = " ".join(str(reason).split()).rstrip(".")
    return Finding(area, subject, f"not checked: {text}", remedy, kind="unchecked")
