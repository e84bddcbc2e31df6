"""The scenarios of the benchmark, as data."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.work import SEED, Work, fifty_milliseconds, heavy_tailed, nothing, three_timeouts

Kind = Literal["drain", "idle", "start", "order", "api"]

SERVICES = (
    "order-api",
    "relay",
    "orders",
    "payment",
    "inventory",
    "notification",
    "analytics",
)


@dataclass(frozen=True)
class Scenario:
    """One scenario. Times are in seconds."""

    name: str
    title: str
    peers: tuple[str, ...]  # by default
    columns: tuple[str, ...]  # figures shown
    kind: Kind = "drain"
    unit: str = "message"  # what the figures are about, in the headings
    messages: int = 2_000
    shares: bool = False  # slow peers get fewer messages
    fewer: Mapping[str, float] = field(default_factory=dict)  # share of a peer that is slow here
    work: Work = nothing
    rate: float = 0.0  # messages a second; 0: all at once
    regular: bool = False  # evenly spaced arrivals, else a Poisson process
    concurrency: int = 10
    visibility_timeout: int = 60
    faults: dict[str, float] = field(default_factory=dict)
    replicas: int = 1
    tls: bool = False
    rounds: int = 1  # by default
    together: bool = False  # run all peers at the same time: they wait, or only counts are shown
    trace: bool = False  # handlers record each start
    timeout: float = 120.0  # after the last message has arrived
    round_seconds: float = 0.0  # about, on two quiet cores; to tell how long a call will take


_LIMITS = ("limit-boto3", "limit-wire", "limit-pipeline")
_SLOWED = {"latency": 0.015}

# The peers of which CPU time when idle and memory are compared.
_FOOTPRINT = (
    "limit-boto3",
    "limit-wire",
    "naive",
    "powertools",
    "sqs-workers",
    "dramatiq",
    "sqs-consumer",
    "ours",
    "ours-service",
)

# Columns of a comparison of receive loops with an empty handler.
_COMPARED = (
    "messages",
    "requests",
    "cpu",
    "ratio",
    "wire",
    "spread",
    "rate",
    "proportional",
    "processes",
)

_TABLE = (
    Scenario(
        "noop",
        "No-op handler, concurrency 10, no latency",
        (*_LIMITS, "naive", "powertools", "sqs-workers", "sqs-consumer", "ours", "ours-quiet"),
        _COMPARED,
        messages=20_000,
        shares=True,
        rounds=3,
        round_seconds=59,
    ),
    Scenario(
        "runtimes",
        "No-op handler, further runtimes in Python, concurrency 10, no latency",
        (
            *_LIMITS[:2],
            "dramatiq",
            "pyqs",
            "celery",
            "tomodachi",
            "taskhawk",
            "ours",
        ),
        _COMPARED,
        messages=20_000,
        shares=True,
        rounds=3,
        round_seconds=55,
    ),
    Scenario(
        "tls",
        "No-op handler over TLS, concurrency 10, no latency",
        (*_LIMITS, "sqs-consumer", "ours"),
        ("messages", "requests", "cpu", "ratio", "wire", "spread", "rate", "processes"),
        messages=20_000,
        shares=True,
        rounds=3,
        tls=True,
        round_seconds=40,
    ),
    Scenario(
        "sleep50",
        "Handler sleeps 50 ms, concurrency 20, 15 ms per request",
        (*_LIMITS, "powertools", "sqs-workers", "sqs-consumer", "ours"),
        (
            "messages",
            "requests",
            "utilisation",
            "cpu",
            "ratio",
            "wire",
            "spread",
            "rate",
            "processes",
        ),
        work=fifty_milliseconds,
        concurrency=20,
        faults=_SLOWED,
        rounds=3,
        round_seconds=57,
    ),
    Scenario(
        "heavy",
        "Heavy tail (lognormal, mean 50 ms, sigma 1.5), concurrency 20, 15 ms per request",
        (*_LIMITS, "sqs-workers", "sqs-consumer", "ours"),
        ("messages", "requests", "utilisation", "cpu", "ratio", "wire", "rate", "processes"),
        fewer={"sqs-consumer": 0.5},
        work=heavy_tailed,
        concurrency=20,
        faults=_SLOWED,
        rounds=3,
        round_seconds=56,
    ),
    Scenario(
        "groups",
        "50 groups of a FIFO queue: handler sleeps 50 ms, concurrency 20, 15 ms per request",
        ("ours", "ours-fifo"),
        ("messages", "requests", "utilisation", "cpu", "rate", "duplicates"),
        work=fifty_milliseconds,
        concurrency=20,
        faults=_SLOWED,
        rounds=3,
        round_seconds=14,
    ),
    Scenario(
        "slow",
        "Handler three times the visibility timeout (2 s), two processes",
        ("limit-pipeline", "dramatiq", "dramatiq-12h", "sqs-consumer-hb", "ours"),
        ("messages", "duplicates", "stale", "renewals", "renewals needed", "requests", "wall"),
        messages=45,
        work=three_timeouts,
        visibility_timeout=2,
        faults=_SLOWED,
        replicas=2,
        together=True,
        timeout=100.0,
        round_seconds=74,
    ),
    Scenario(
        "steady",
        "200 messages a second, 50 ms each, concurrency 20, 15 ms per request",
        (
            *_LIMITS,
            "naive-batch-threads",
            "sqs-workers",
            "sqs-consumer",
            "ours",
        ),
        (
            "messages",
            "requests",
            "latency p50",
            "latency p99",
            "cpu",
            "ratio",
            "wire",
            "spread",
            "processes",
        ),
        work=fifty_milliseconds,
        rate=200.0,
        concurrency=20,
        faults=_SLOWED,
        rounds=3,
        round_seconds=80,
    ),
    Scenario(
        "onepersecond",
        "One message a second, 15 ms per request",
        ("limit-pipeline", "naive", "sqs-consumer", "ours"),
        ("messages", "lost", "requests", "start p50", "start p99", "cpu"),
        messages=20,
        rate=1.0,
        regular=True,
        faults=_SLOWED,
        rounds=3,
        together=True,
        trace=True,
        round_seconds=27,
    ),
    Scenario(
        "errors",
        "One request in 20 throttled, one answer in 20 lost, one batch entry in 50 failed, "
        "one receive in 5 short; visibility timeout 5 s",
        ("limit-pipeline", "naive-batch-threads", "sqs-workers", "sqs-consumer", "ours"),
        ("messages", "lost", "rush", "duplicates", "dead letters", "requests"),
        visibility_timeout=5,
        faults={"throttle": 0.05, "lose": 0.05, "fail_entries": 0.02, "short_receives": 0.2},
        trace=True,
        rounds=3,
        together=True,
        round_seconds=32,
    ),
    Scenario(
        "idle",
        "Idle for a minute, concurrency 10",
        _FOOTPRINT,
        ("idle requests", "idle cpu", "proportional", "processes"),
        kind="idle",
        messages=0,
        rounds=3,
        together=True,
        round_seconds=68,
    ),
    Scenario(
        "start",
        "From exec to the first receive",
        (
            "limit-boto3",
            "limit-wire",
            "sqs-workers",
            "dramatiq",
            "sqs-consumer",
            "ours",
            "ours-service",
        ),
        ("start cpu", "start wall"),
        kind="start",
        messages=0,
        rounds=3,
        round_seconds=10,
    ),
    Scenario(
        "memory",
        "Memory after 2,000 messages, concurrency 10",
        _FOOTPRINT,
        ("proportional", "resident", "processes"),
        concurrency=10,
        round_seconds=38,
    ),
    Scenario(
        "payment",
        "The real payment service with its transaction and outcome, 15 ms per request",
        (
            *_LIMITS[:2],
            "textbook-payment",
            "ours-payment",
            "ours-payment-traced",
            "ours-payment-traced-all",
        ),
        (
            "messages",
            "dynamodb",
            "sqs",
            "sns",
            "published",
            "cpu",
            "ratio",
            "wire",
            "spread",
            "rate",
            "proportional",
        ),
        shares=True,
        concurrency=20,
        faults=_SLOWED,
        rounds=3,
        round_seconds=52,
    ),
    Scenario(
        "order",
        "An order through order-api, relay and five consumers; textbook's shop; 15 ms per request",
        ("textbook", "ours-shop"),
        (
            "messages",
            "cpu",
            *(f"cpu {service}" for service in SERVICES),
            "standin",
            "per core",
            "sqs",
            "sns",
            "dynamodb",
            "ses",
            "write units",
            "read units",
            "dollars",
            "rate",
            "half load",
            "order p50",
            "order p99",
            "proportional",
            "processes",
        ),
        kind="order",
        unit="order",
        messages=300,
        shares=True,
        faults=_SLOWED,
        rounds=3,
        round_seconds=70,
    ),
    Scenario(
        "api",
        "POST /orders, 16 clients, one process: order-api and the smallest FastAPI program",
        ("api-boto3", "ours-api"),
        (
            "messages",
            "published",
            "cpu",
            "rate",
            "per core",
            "answer p50",
            "answer p99",
            "dynamodb",
            "sns",
            "proportional",
        ),
        kind="api",
        unit="order",
        messages=1_000,
        rounds=3,
        round_seconds=20,
    ),
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _TABLE}


def arrivals(scenario: Scenario, number: int) -> list[float]:
    """Return the delay of each message after the release (s)."""
    if not scenario.rate:
        return [0.0] * number
    if scenario.regular:
        return [(position + 1) / scenario.rate for position in range(number)]
    rng, at, delays = random.Random(SEED), 0.0, []  # noqa: S311 - not for secrets
    for _ in range(number):
        at += rng.expovariate(scenario.rate)
        delays.append(at)
    return delays
