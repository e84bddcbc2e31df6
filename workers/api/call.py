"""The parts of a change request other than its body."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from workers.api.callers import Caller
from workers.envelope import Envelope, Event, first

SOURCE: Final = "order-api"
# https://www.w3.org/TR/trace-context/#traceparent-header: "ff" and all-zero ids are invalid
_TRACEPARENT: Final = r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="A retry with the same key and body returns the first result.",
    ),
]
TraceParent = Annotated[str | None, Header(description="W3C trace context")]


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a change, and its headers."""

    request: Request
    idempotency_key: str | None
    traceparent: str | None

    @property
    def caller(self) -> Caller:
        """Who calls: ``Authentication`` has found out."""
        caller: Caller = self.request.state.caller
        return caller

    def first(self, event: Event, event_id: str) -> Envelope[Event]:
        """Wrap an event. An invalid traceparent is ignored, as the W3C standard requires."""
        trace = self.traceparent or ""
        valid = re.fullmatch(_TRACEPARENT, trace)
        return first(event, source=SOURCE, event_id=event_id, traceparent=trace if valid else None)


async def call_of(
    request: Request, idempotency_key: IdempotencyKey = None, traceparent: TraceParent = None
) -> Call:
    """Return the call of a request. It is async because FastAPI gives other functions a thread."""
    return Call(request, idempotency_key, traceparent)


Sent = Annotated[Call, Depends(call_of)]
