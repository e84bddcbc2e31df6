"""Trace contexts as texts: in an envelope, in a message, in an HTTP header."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)

TRACEPARENT: Final = "traceparent"
ROOT: Final = Context()  # a span that starts here has no parent

# https://www.w3.org/TR/trace-context/#traceparent-header; a later version may have more fields
_W3C: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# Inside a JSON string the quotes would be escaped, so this is a field of its own.
_IN_BODY: Final = re.compile(rf'"{TRACEPARENT}"\s{{0,9}}:\s{{0,9}}"{_W3C.pattern}"')


def read(text: str | None) -> SpanContext | None:
    """Read a traceparent; None if it is missing or invalid."""
    return _context(_W3C.fullmatch(text)) if text else None


def read_body(body: str) -> SpanContext | None:
    """Read the context of the event in a message, also of one that cannot be decoded."""
    return _context(_IN_BODY.search(body))


def written(context: SpanContext) -> str | None:
    """Return a context as a traceparent; None for one that names no span."""
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context(found: re.Match[str] | None) -> SpanContext | None:
    # The SDK's propagator does the same for three times the CPU time.
    if found is None:
        return None
    context = SpanContext(
        int(found[1], 16),
        int(found[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(found[3], 16) & TraceFlags.SAMPLED),
    )
    return context if context.is_valid else None


def below(context: SpanContext | None) -> Context:
    """Return where a child of the span starts; without a span, a root."""
    return set_span_in_context(NonRecordingSpan(context), ROOT) if context else ROOT


def parent_of(contexts: Sequence[SpanContext | None]) -> Context:
    """Return where the span of a batch starts: below the one span that caused all of it.

    A batch with several causes has no parent. It starts a trace of its own, with links.
    """
    first = contexts[0] if contexts else None
    return below(first) if all(context == first for context in contexts) else ROOT


def links_to(contexts: Iterable[SpanContext | None]) -> list[Link]:
    """Return a link to each context that is sampled. The spans of others are not exported."""
    return [Link(context) for context in contexts if context and context.trace_flags.sampled]


def wanted(contexts: Iterable[SpanContext | None]) -> bool:
    """Return whether a batch may have a span: not if it would only link to unsampled ones."""
    return any(context is None or context.trace_flags.sampled for context in contexts)
