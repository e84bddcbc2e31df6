"""The names of what can be done to the system, and how much of it a run of so many orders gets."""

from collections.abc import Sequence
from math import ceil
from typing import Any, Final

from local.aws.faults.modes import EVERYTHING, MODES

# Done to processes, by count of orders placed. The share is of orders; at least one each.
PROCESSES: Final = {
    "kill": ("SIGKILL a process, whatever it is doing", 0.03),
    "crash": ("a process ends itself at a named point of a message's life", 0.01),
    "stop": ("SIGSTOP a worker for longer than its messages stay hidden, while others work", 0.001),
    "partition": ("nothing passes between one worker and AWS, for as long as a stop", 0.001),
    "deploy": ("SIGTERM every process, one service after the other, and start a new one", 0.002),
    "clock": ("processes' clocks are off by ten minutes, either way", 0.0),
}
# Done to requests to AWS, at random by a seed; the rate is of requests.
CALLS: Final = {
    "drop_before": "a request does not arrive",
    "drop_after": "a request is carried out and its answer is lost",
    "throttle": "AWS answers that it is too much",
    "error": "AWS answers 500",
    "delay": "an answer comes late",
    "duplicate": "SNS delivers twice, SQS hands out a message that is in flight",
    "partial": "some entries of a batch fail",
    "stale": "an index is behind its table",
    "expired": "the credentials have expired",
    "conflict": "another transaction is in the way",
}
# After these a message may be dead-lettered twice.
REPEATING: Final = frozenset(
    {"kill", "crash", "stop", "partition", "drop_before", "drop_after", "error", "duplicate"}
)
RATE: Final = 0.05  # of the requests of every operation
RARE: Final = "stale"  # so few requests are about an index that it gets the whole rate
DELAY: Final = 0.5  # s
MIN_KILLS: Final = 3


class UnknownFault(ValueError):
    """There is no such fault; the text lists those there are."""


def names() -> list[str]:
    """List every fault."""
    return [*PROCESSES, *CALLS]


def parse(text: str) -> tuple[str, ...]:
    """Read a list of names, separated by commas; empty is all of them. Raises ``UnknownFault``."""
    asked = tuple(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))
    if unknown := [name for name in asked if name not in names()]:
        raise UnknownFault(f"no fault {', '.join(unknown)}: one of {', '.join(names())}")
    return asked or tuple(names())


def count(fault: str, orders: int) -> int:
    """Say how often a fault is done to processes while so many orders are placed."""
    share = PROCESSES[fault][1]
    return max(MIN_KILLS if fault == "kill" else 1, ceil(share * orders)) if share else 0


def rules(faults: Sequence[str]) -> list[dict[str, Any]]:
    """Give the rules for the embedded AWS: ``RATE`` of every operation fails, in equal parts.

    What can happen to any operation makes up the rate; delays, and what only some operations can
    meet, come on top.
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
    """Name what a mode can happen to: everything, or some services' operations."""
    services = {operation.partition(".")[0] for operation in MODES[mode]}
    return ["*"] if "*" in services else [f"{service}.*" for service in sorted(services)]
