"""Samples for promtool: for each alarm, series that make its rule fire and end.

Values are those of promtool: a number a minute, ``0+2x9`` for ten growing ones, ``_`` for none.
"""

from dataclasses import dataclass
from string import Template

QUEUE = 'messaging_queue_messages{messaging_destination_name="$queue", state="%s"}'
DEPTH = {state: QUEUE % state for state in ("visible", "in_flight", "dead")}
SETTLED = 'messaging_settlements_total{messaging_destination_name="$queue", settlement="delete"}'
AGES = 'messaging_queue_age_seconds_count{messaging_destination_name="$queue"}'
SHORT = 'messaging_queue_age_seconds_bucket{messaging_destination_name="$queue", le="300.0"}'
PAUSED = 'messaging_paused{messaging_destination_name="$queue"}'
BREAKER = 'messaging_breaker_open{messaging_destination_name="$queue", dependency="dynamodb"}'
UP = 'up{service="$service", instance="%s"}'
REQUESTS = 'http_requests_total{service="$service", route="/orders", method="POST", status="%s"}'


@dataclass(frozen=True)
class Sample:
    """Series, and the minutes at which the alarm fires and does not."""

    alarm: str
    series: dict[str, str]
    fires: tuple[int, ...]
    quiet: tuple[int, ...]

    def named(self, service):
        """Return the series of one service."""
        names = {"service": service, "queue": f"{service}-queue"}
        return {Template(name).substitute(names): each for name, each in self.series.items()}


SAMPLES = (
    Sample("dead-letters", {DEPTH["dead"]: "0 0 1x9 0x9"}, fires=(4, 11), quiet=(1, 2, 14)),
    Sample("late", {AGES: "0+1x20 20x20", SHORT: "0x40"}, fires=(7, 20), quiet=(3, 26)),
    Sample("late", {AGES: "0+9x40", SHORT: "0+9x40"}, fires=(), quiet=(7, 20)),
    Sample(
        "late", {AGES: "0+1x40", SHORT: "0x40", PAUSED: "0x9 1x15 0x20"}, fires=(8, 32), quiet=(15,)
    ),
    Sample(
        "stuck", {DEPTH["visible"]: "5x40", SETTLED: "0+1x5 5x20 6+1x20"}, (18, 24), (5, 14, 28)
    ),
    # all processes are gone, and with them their counters
    Sample("stuck", {DEPTH["visible"]: "5x20 0x20"}, fires=(11, 20), quiet=(9, 22)),
    Sample("stuck", {DEPTH["visible"]: "5x40", PAUSED: "1x40"}, fires=(), quiet=(12, 40)),
    Sample("stuck", {DEPTH["visible"]: "0x40", SETTLED: "5x40"}, fires=(), quiet=(12, 40)),
    Sample("breaker-open", {BREAKER: "0x2 1x10 0x9"}, fires=(9, 13), quiet=(2, 5, 15)),
    Sample("in-flight", {DEPTH["in_flight"]: "96000x9 96001x9 0x9"}, (16, 19), (9, 12, 21)),
    Sample("frozen", {UP % "a": "1x30", UP % "b": "1x3 0x14 1x9"}, fires=(15, 18), quiet=(3, 20)),
    Sample("missing-tasks", {UP % "a": "1x3 0x20 1x9"}, fires=(15, 24), quiet=(3, 12, 26)),
    # a process that has ended is no longer found by its name
    Sample("missing-tasks", {UP % "a": "1x3 _x25 1x9"}, fires=(20, 28), quiet=(3, 30)),
    Sample("missing-tasks", {UP % "a": "0x40", UP % "b": "1x40"}, fires=(), quiet=(3, 30)),
    Sample("outbox-old", {"outbox_oldest_seconds": "60x3 61x10 0x9"}, (10, 14), (3, 7, 16)),
    Sample("outbox-old", {"outbox_oldest_seconds": "0x3 _x15 0x9"}, fires=(15, 18), quiet=(3, 21)),
    Sample("outbox-set-aside", {"outbox_stuck": "0x3 2x5 0x9"}, fires=(6, 9), quiet=(3, 12)),
    Sample(
        "api-errors", {REQUESTS % 503: "0+2x20 40x20", REQUESTS % 202: "0+98x40"}, (7, 20), (3, 27)
    ),
    Sample("api-errors", {REQUESTS % 503: "0+1x40", REQUESTS % 202: "0+100x40"}, (), (7, 40)),
    Sample(
        "order-burn-fast",
        {REQUESTS % 503: "0+2x70 140x40", REQUESTS % 202: "0+98x110"},
        fires=(10, 70),
        quiet=(0, 76),
    ),
    # a bad minute after a good hour is not two percent of the budget
    Sample(
        "order-burn-fast",
        {REQUESTS % 503: "0x60 50x20", REQUESTS % 202: "0+98x80"},
        fires=(),
        quiet=(61, 64),
    ),
    Sample(
        "order-burn-slow",
        {REQUESTS % 503: "0+1x360 360x60", REQUESTS % 202: "0+99x420"},
        fires=(60, 360),
        quiet=(0, 391),
    ),
    Sample(
        "order-burn-slow",
        {REQUESTS % 503: "0+1x360", REQUESTS % 202: "0+199x360"},
        fires=(),
        quiet=(60, 360),
    ),
)
