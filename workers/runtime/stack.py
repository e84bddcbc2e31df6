"""The place where an error was raised, as a short hash that groups equal failures.

Two failures have the same hash if the same type of error came from the same functions. Line numbers
and the text of the error do not count: a deploy moves lines, and a text names one order.
"""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType
from typing import Final

_HEX: Final = 12  # characters of the hash: 48 bits tell apart all failures that one service has
_OURS: Final = "workers"
# Below a handler. It is called in several ways (a first delivery, a retry after a conflict), which
# must not split one failure into several.
_RUNTIME: Final = "workers.runtime"
_CAUSES: Final = 5


@dataclass(frozen=True, slots=True)
class Stack:
    """Where an error was raised."""

    hash: str
    frame: str  # "module:function" of the innermost call in our code; empty without a stack


def stack_hash(error: BaseException) -> Stack:
    """Return the hash of an error: of its type, its causes' types, and its functions.

    The functions are those of this code, without the runtime below the handler, each once and in
    order of their first call, so that recursion does not count. A library is represented by the
    innermost function alone, because its inner ways change with its version.
    """
    calls = list(_calls(error.__traceback__))
    ours = [call for call in calls if _is_within(call, _OURS)]
    business = [call for call in ours if not _is_within(call, _RUNTIME)]
    chain = list(dict.fromkeys(business))
    if calls and calls[-1] not in chain:
        chain.append(calls[-1])
    text = "\n".join([*_types(error), *chain])
    frame = (business or ours or calls or [""])[-1]
    return Stack(sha256(text.encode(errors="replace")).hexdigest()[:_HEX], frame)


def _calls(trace: TracebackType | None) -> Iterator[str]:
    """Yield "module:function" of each frame, outermost first."""
    for frame, _ in traceback.walk_tb(trace):
        yield f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_qualname}"


def _types(error: BaseException) -> Iterator[str]:
    """Yield the type of the error and of what caused it."""
    cause: BaseException | None = error
    for _ in range(_CAUSES):
        if cause is None:
            return
        yield f"{type(cause).__module__}.{type(cause).__qualname__}"
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _is_within(call: str, package: str) -> bool:
    module = call.partition(":")[0]
    return module == package or module.startswith(f"{package}.")
