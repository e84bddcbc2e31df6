"""A domain whose texts have no limit: reports and their reviews. An order's texts are short."""

import math
from dataclasses import replace
from typing import ClassVar

from support.builders import NOON, an_envelope
from support.fakes import FakeClock
from support.harness import Harness
from workers.envelope import MAX_BODY_BYTES, Decoder, Event, Id
from workers.pointer import Named, Pointer
from workers.runtime.handler import handles
from workers.runtime.ports import Transaction

LARGE = "x" * (MAX_BODY_BYTES + 1)
HOUR = 3_600  # s


class ReportEvent(Event):
    report_id: Id
    text: str

    @property
    def subject(self):
        return {"reportId": self.report_id}


class Filed(ReportEvent):
    type: ClassVar[str] = "report.filed"


class Reviewed(ReportEvent):
    type: ClassVar[str] = "report.reviewed"


decode = Decoder({event.type: event for event in (Filed, Reviewed)}).decode


class Reviews:
    """Answers a report with one or more reviews that have the same text."""

    def __init__(self, count=1):
        self.count = count

    @handles
    def review(self, filed: Filed, tx: Transaction) -> tuple[Reviewed, ...]:
        tx.add(f"effect#{filed.report_id}", {"times": 1})
        review = Reviewed(report_id=filed.report_id, text=filed.text)
        return (review,) * self.count


def at(days):
    """Return a clock that shows a time ``days`` after the events occurred."""
    clock = FakeClock()
    clock.advance((NOON - clock.now()).total_seconds() + days * 24 * HOUR)
    return clock


def a_worker(payloads=None, clock=None, count=1):
    """Start a worker at noon on 2 January 2026, when the events of the builders occur."""
    return Harness(
        Reviews(count),
        payloads=payloads,
        clock=clock or at(0),
        decode=decode,
        max_event_age=math.inf,  # they are months old where payloads expire
    )


def a_cause(text="short", event_id="event-1", report_id="report-1", **changes):
    return an_envelope(Filed(report_id=report_id, text=text), event_id=event_id, **changes)


def stored(payloads, envelope, body=None, **names):
    """Store an event as another service does; return the body of the message."""
    raw = envelope.encode().encode() if body is None else body
    key = replace(Named.of(envelope, raw), **names).key
    payloads.put(key, raw)
    return Pointer(payloads.bucket, key).text
