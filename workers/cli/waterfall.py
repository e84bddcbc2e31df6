"""Draws the story of an order: one line per step, with bars for waiting and for handling."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from workers.ops.story import HANDLED, Delivery, Mail, Story, StoryEvent

WIDTH: Final = 24  # characters of a bar
WAITS: Final = "\N{MIDDLE DOT}"
WORKS: Final = "\N{FULL BLOCK}"


@dataclass(frozen=True)
class Step:
    """One line. Times are in epoch seconds; ``start`` to ``work`` is waiting."""

    start: float
    work: float
    end: float
    text: str


def lines_of(story: Story) -> list[str]:
    """Draw a story; needs at least one event."""
    steps = [step for event in story.events for step in _steps(event)]
    steps += [
        Step(*(3 * (_epoch(mail.sent_at),)), f"mail: {mail.kind}{_withheld(mail)}")
        for mail in story.mails
        if mail.sent_at
    ]
    steps.sort(key=lambda step: (step.start, step.end))
    if not steps:
        return []
    first = steps[0].start
    span = max(step.end for step in steps) - first
    return [
        f"{_offset(step.start - first)}  {_bar(step, first, span)}  {step.text}" for step in steps
    ]


def _withheld(mail: Mail) -> str:
    return f", withheld: {mail.withheld}" if mail.withheld else ""


def _steps(event: StoryEvent) -> Iterator[Step]:
    if event.at:
        at = _epoch(event.at)
        what = f"{event.event_type} by {event.source}"
        if event.published_at:
            published = _epoch(event.published_at)
            yield Step(at, at, published, f"{what}, published after {_lasted(published - at)}")
        else:
            yield Step(at, at, at, what)
    for delivery in event.deliveries:
        for attempt in delivery.attempts:
            what = f"  {delivery.service} failed at {event.event_type}, receive"
            at = _epoch(attempt.at)
            yield Step(
                at,
                at,
                at,
                f"{what} {attempt.receive_count}: {attempt.type}: {attempt.reason}"
                f" ({attempt.outcome.replace('_', '-')})",
            )
        if delivery.state == HANDLED and delivery.at:
            yield _handled(event, delivery)


def _handled(event: StoryEvent, delivery: Delivery) -> Step:
    end = _epoch(delivery.at)
    work = _epoch(delivery.started_at) if delivery.started_at else end
    start = _epoch(delivery.sent_at) if delivery.sent_at else work
    times = f"waited {_lasted(work - start)}, took {_lasted(end - work)}"
    receives = f", receive {delivery.receive_count}" if delivery.receive_count > 1 else ""
    text = f"  {delivery.service} handled {event.event_type}: {times}{receives}"
    return Step(min(start, work), work, end, text)


def _bar(step: Step, first: float, span: float) -> str:
    def column(at: float) -> int:
        return min(WIDTH - 1, max(0, int((at - first) / span * WIDTH))) if span > 0 else 0

    start, work, end = column(step.start), column(step.work), column(step.end)
    bar = " " * start + WAITS * (work - start) + WORKS * (end - work + 1)
    return bar.ljust(WIDTH)


def _offset(seconds: float) -> str:
    return f"+{_lasted(seconds)}".rjust(9)


def _lasted(seconds: float) -> str:
    """Return a duration for people, to three digits."""
    if seconds < 0:
        return "0 ms"  # the clocks of two computers differ
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:  # noqa: PLR2004 - s
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"  # noqa: PLR2004 - min


def _epoch(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
