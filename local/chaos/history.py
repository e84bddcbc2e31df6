"""The history of a run: one line per customer request and one per answer.

A request whose answer is lost is *unknown*: it may or may not have been executed. Both are
correct, but executing it twice is not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Final, Literal, TypeAlias

import orjson

Type: TypeAlias = Literal["invoked", "acknowledged", "failed", "unknown"]
PLACE: Final = "place"
CANCEL: Final = "cancel"
REFUND: Final = "refund"


@dataclass(frozen=True, slots=True)
class Op:
    """A request, or its result."""

    type: Type
    action: str  # PLACE, CANCEL, REFUND
    key: str  # the idempotency key, shared by the repeats of a request
    number: int  # of the planned order
    order_id: str = ""
    status: int = 0  # HTTP; 0 without an answer
    body: str = ""  # of an acknowledgement
    detail: str = ""


class History:
    """The history of one run, in memory and in a file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.ops: list[Op] = []
        self._file = path.open("wb")
        self._lock = Lock()

    def write(self, op: Op) -> None:
        """Add a line."""
        with self._lock:
            self.ops.append(op)
            self._file.write(orjson.dumps(asdict(op)) + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> Iterator[Op]:
    """Read a history from its file."""
    for line in path.read_bytes().splitlines():
        yield Op(**orjson.loads(line))


def verdicts(ops: Iterable[Op], action: str = PLACE) -> dict[str, Op]:
    """Return the result of each request by key. One acknowledgement outweighs all others."""
    weight = {"invoked": 0, "failed": 1, "unknown": 2, "acknowledged": 3}
    found: dict[str, Op] = {}
    for op in ops:
        if op.action == action:
            known = found.get(op.key)
            if known is None or weight[op.type] > weight[known.type]:
                found[op.key] = op
    return found
