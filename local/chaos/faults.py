"""The faults of a run, and how often each is injected."""

from collections.abc import Sequence
from math import ceil
from typing import Any, Final

from local.aws.faults.modes import EVERYTHING, MODES

# Faults of processes: description, and injections per order placed. At least one of each.
PROCESSES: Final = {
    "kill": ("SIGKILL a process at any moment", 0.03),
    "crash": ("a process kills itself at a named crash point", 0.01),
    "stop": ("SIGSTOP a worker for longer than the visibility timeout, while others work", 0.001),
    "partition": ("cut one worker off from AWS, for as long as a stop", 0.001),
    "deploy": ("SIGTERM and restart every process, one after the other", 0.002),
    "clock": ("process clocks are off by ten minutes, either way", 0.0),
}
# Faults of requests to AWS, at random by the seed.
CALLS: Final = {
    "drop_before": "a request does not arrive",
    "drop_after": "a request is executed but its answer is lost",
    "throttle": "AWS throttles the request",
    "error": "AWS answers 500",
    "delay": "an answer is late",
    "duplicate": "SNS delivers twice, SQS delivers a message that is in flight",
    "partial": "some entries of a batch fail",
    "stale": "an index lags behind its table",
    "expired": "the credentials have expired",
    "conflict": "a conflict with another transaction",
}
# Faults after which a message may be dead-lettered twice.
REPEATING: Final = frozenset(
    {"kill", "crash", "stop", "partition", "drop_before", "drop_after", "error", "duplicate"}
)
RATE: Final = 0.05  # share of failing requests, per operation
RARE: Final = "stale"  # gets the whole rate, because it affects few requests
DELAY: Final = 0.5  # s
MIN_KILLS: Final = 3


class UnknownFault(ValueError):
    """Unknown fault; the message lists the known ones."""


def names() -> list[str]:
    """List every fault."""
    return [*PROCESSES, *CALLS]


def parse(text: str) -> tuple[str, ...]:
    """Parse comma-separated names; an empty text means all faults. Raises ``UnknownFault``."""
    asked = tuple(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))
    if unknown := [name for name in asked if name not in names()]:
        raise UnknownFault(
            f"unknown fault {', '.join(unknown)}; known faults: {', '.join(names())}"
        )
    return asked or tuple(names())


def count(fault: str, orders: int) -> int:
    """Return how often a process fault is injected while ``orders`` orders are placed."""
    share = PROCESSES[fault][1]
    return max(MIN_KILLS if fault == "kill" else 1, ceil(share * orders)) if share else 0


def rules(faults: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rules for the embedded AWS: ``RATE`` of the requests of every operation fail.

    The modes that affect every operation share the rate equally. Delays, and modes that affect
    only some operations, are added to it.
    """
    modes = [name for name in faults if name in CALLS]
    failing = [name for name in modes if MODES[name] == EVERYTHING and name != "delay"]
    share = RATE / len(failing or modes or [RARE])
    return [
        {"operation": operation, "mode": mode, "rate": RATE if mode == RARE else share}
        | ({"seconds": DELAY} if mode == "delay" else {})
        for mode in modes
        for operation in _operations(mode)
    ]


def _operations(mode: str) -> list[str]:
    """Return the patterns of operations that a mode affects."""
    services = {operation.partition(".")[0] for operation in MODES[mode]}
    return ["*"] if "*" in services else [f"{service}.*" for service in sorted(services)]
