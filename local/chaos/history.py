"""What customers did and what they were told: one line per request and per answer.

A request whose answer is lost is *unknown*: it may have been carried out or not. Both are right,
twice is not.
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
    """A request, or what became of it."""

    type: Type
    action: str  # PLACE, CANCEL, REFUND
    key: str  # the idempotency key: repeats of a request have the same
    number: int  # of the planned order
    order_id: str = ""
    status: int = 0  # HTTP; 0 without an answer
    body: str = ""  # of an acknowledgement
    detail: str = ""


class History:
    """The history of one run, in memory and in a file; any thread may write."""

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
    """Read a history back."""
    for line in path.read_bytes().splitlines():
        yield Op(**orjson.loads(line))


def verdicts(ops: Iterable[Op], action: str = PLACE) -> dict[str, Op]:
    """Say what became of each request, by its key: one acknowledgement outweighs the rest."""
    weight = {"invoked": 0, "failed": 1, "unknown": 2, "acknowledged": 3}
    found: dict[str, Op] = {}
    for op in ops:
        if op.action == action:
            known = found.get(op.key)
            if known is None or weight[op.type] > weight[known.type]:
                found[op.key] = op
    return found
