"""What a request for a change brings besides its body."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import BackgroundTasks, Header, Request, Response

from workers.envelope import Envelope, first
from workers.events import Event

SOURCE: Final = "order-api"
# https://www.w3.org/TR/trace-context/#traceparent-header: "ff" and all-zero ids are invalid
_TRACEPARENT: Final = r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"


@dataclass
class Call:
    """One request for a change, and what its answer is made with."""

    request: Request
    response: Response
    background: BackgroundTasks
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[\x20-\x7e]+$",
            description="Sent again with the same body, the request is answered, not repeated.",
        ),
    ] = None
    traceparent: Annotated[str | None, Header(description="W3C trace context")] = None

    def first(self, event: Event, event_id: str) -> Envelope[Event]:
        """Wrap an event. A traceparent that is not valid is ignored, as its standard asks."""
        trace = self.traceparent or ""
        valid = re.fullmatch(_TRACEPARENT, trace)
        return first(event, source=SOURCE, event_id=event_id, traceparent=trace if valid else None)
