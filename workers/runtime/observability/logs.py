"""Writes JSON log lines to standard output, and removes email addresses from them."""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import orjson
import structlog

from workers.runtime.observability.log_writer import LogWriter

MAX_TEXT: Final = 4_096  # characters of one value; a log driver cuts lines somewhere above 16 KiB
Line: TypeAlias = MutableMapping[str, Any]

# The lookbehind keeps the search linear: it tries a long word once, not from each letter.
_EMAIL: Final = re.compile(r"(?<![^\s@<>\"'(),;:])[^\s@<>\"'(),;:]++@[^\s@<>\"'(),;:]+")


# The fields of the event that this thread handles: every line has them. One variable for all of
# them: structlog's own have one each, which takes 30 microseconds for a message.
_about: Final[ContextVar[Mapping[str, str]]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(fields: Mapping[str, str]) -> Iterator[None]:
    """Add fields to every line that this thread writes in the block."""
    token = _about.set(fields)
    try:
        yield
    finally:
        _about.reset(token)


def configure(level: str = "info", *, service: str = "") -> LogWriter:
    """Send every log line, the standard library's too, to standard output as JSON.

    ``level`` is "debug", "info", "warning" or "error". Values are cut at ``MAX_TEXT``
    characters, and email addresses in them are replaced. Flush the returned writer before the
    process ends.
    """
    number = getattr(logging, level.upper())
    lines = LogWriter(sys.stdout.buffer)

    def finish(_: object, method: str, line: Line) -> Line:
        _add_stack(line)
        finished: Line = {**_about.get(), **line}
        for name, value in finished.items():
            # Nearly all are short texts without an address.
            if type(value) is not str or len(value) > MAX_TEXT or "@" in value:
                finished[name] = _cleaned(value)
        finished["level"] = method
        finished["timestamp"] = datetime.now(UTC).isoformat()[:-6] + "Z"
        if service:
            finished["service"] = service
        return finished

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, finish, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, finish],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render_text],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    return lines


def redact(text: str) -> str:
    """Replace everything that looks like an email address."""
    return _EMAIL.sub("[e-mail]", text) if "@" in text else text


def stack_of(error: BaseException) -> str:
    """Format an error with its stack, innermost call last, cut to ``MAX_TEXT`` from the end."""
    return "".join(traceback.format_exception(error))[-MAX_TEXT:]


def _add_stack(line: Line) -> None:
    error = line.pop("exc_info", None)
    if isinstance(error, BaseException):
        line["stack"] = stack_of(error)
    elif isinstance(error, tuple) and error[1] is not None:
        line["stack"] = stack_of(error[1])
    elif error and (current := sys.exc_info()[1]) is not None:
        line["stack"] = stack_of(current)


def _cleaned(value: object) -> object:
    match value:
        case str():
            return redact(value[:MAX_TEXT])
        case bool() | int() | float() | None:
            return value
        case dict():
            return {str(key): _cleaned(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_cleaned(inner) for inner in value]
        case _:
            return redact(repr(value)[:MAX_TEXT])


def _render(_: object, __: str, line: Line) -> bytes:
    try:
        return orjson.dumps(line)
    except TypeError:  # a lone surrogate, a number beyond 64 bits: a line must never raise
        return json.dumps(line).encode()


def _render_text(_: object, __: str, line: Line) -> str:
    return _render(_, __, line).decode()
