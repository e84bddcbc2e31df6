"""Writes events of a file as CloudEvents, for systems that read those."""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import jiter
from pydantic_core import to_json

from workers.cloudevents import of_fields
from workers.envelope import Encoded, EnvelopeError
from workers.events import peek


def lines(file: Path) -> Iterator[str | EnvelopeError]:
    """Yield the CloudEvent of each line, or why it has none. ``-`` is standard input.

    A file whose name ends in ``.gz`` is decompressed. Raises ``OSError``, ``EOFError`` and
    ``UnicodeDecodeError``.
    """
    with _opened(file) as source:
        for line in source:
            text = line.decode().strip()
            if text:
                yield _converted(text)


def to_cloudevent(body: str) -> str:
    """Return an encoded event as a CloudEvent. A CloudEvent stays as it is.

    Fields of ``data`` that this version does not know are kept; a signature is not, because it is
    that of another text. Raises ``EnvelopeError``.
    """
    Encoded.read(body)  # refuses what is no event
    fields: dict[str, Any] = jiter.from_json(body.encode())
    if "eventType" not in fields:
        return body
    if not isinstance(fields.get("source"), str):
        raise EnvelopeError("source: missing")
    subject = peek(body).subject
    return to_json(of_fields(fields, next(iter(subject.values()), ""))).decode()


def _converted(text: str) -> str | EnvelopeError:
    try:
        return to_cloudevent(text)
    except EnvelopeError as error:
        return error


def _opened(file: Path) -> BinaryIO:
    if str(file) == "-":
        return sys.stdin.buffer
    return cast("BinaryIO", gzip.open(file)) if file.suffix == ".gz" else file.open("rb")
