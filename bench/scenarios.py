"""The scenarios of the benchmark, as data."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Work = Callable[[int], Sequence[float]]  # number of messages -> seconds per handler
Kind = Literal["drain", "idle", "start"]

_SEED = 7


def nothing(number: int) -> list[float]:
    """Return the work of handlers that return at once."""
    return [0.0] * number


def fifty_milliseconds(number: int) -> list[float]:
    """Return the work of handlers that wait 50 ms."""
    return [0.05] * number


def heavy_tailed(number: int) -> list[float]:
    """Return lognormal work, mean 50 ms and sigma 1.5: most is short, some takes seconds."""
    rng, sigma = random.Random(_SEED), 1.5  # noqa: S311 - not for secrets
    drawn = [rng.lognormvariate(math.log(0.05) - sigma**2 / 2, sigma) for _ in range(number)]
    return [0.05 * each * number / sum(drawn) for each in drawn]


def three_timeouts(number: int) -> list[float]:
    """Return work of 4 to 8 s: on average three times a visibility timeout of 2 s."""
    rng = random.Random(_SEED)  # noqa: S311 - not for secrets
    return [rng.uniform(4.0, 8.0) for _ in range(number)]


@dataclass(frozen=True)
class Scenario:
    """One scenario. Times are in seconds."""

    name: str
    title: str
    peers: tuple[str, ...]  # by default
    columns: tuple[str, ...]  # figures shown
    kind: Kind = "drain"
    messages: int = 2_000
    work: Work = nothing
    rate: float = 0.0  # messages a second; 0: all at once
    regular: bool = False  # evenly spaced arrivals, else a Poisson process
    concurrency: int = 10
    visibility_timeout: int = 60
    faults: dict[str, float] = field(default_factory=dict)
    replicas: int = 1
    rounds: int = 1  # by default
    together: bool = False  # run all peers at the same time, because they mostly wait
    trace: bool = False  # handlers record each start
    timeout: float = 120.0  # after the last message has arrived


_LIMITS = ("limit-boto3", "limit-pipeline")
_SLOWED = {"latency": 0.015}

_TABLE = (
    Scenario(
        "noop",
        "No-op handler, concurrency 10, no latency",
        (*_LIMITS, "naive", "powertools", "sqs-workers", "sqs-consumer", "ours", "ours-quiet"),
        ("messages", "requests", "cpu", "ratio", "spread", "rate", "resident", "processes"),
        messages=20_000,
        rounds=3,
    ),
    Scenario(
        "sleep50",
        "Handler sleeps 50 ms, concurrency 20, 15 ms per request",
        (*_LIMITS, "powertools", "sqs-workers", "sqs-consumer", "ours"),
        ("messages", "requests", "utilisation", "cpu", "ratio", "spread", "rate", "processes"),
        work=fifty_milliseconds,
        concurrency=20,
        faults=_SLOWED,
        rounds=3,
    ),
    Scenario(
        "heavy",
        "Heavy tail (lognormal, mean 50 ms, sigma 1.5), concurrency 20, 15 ms per request",
        (*_LIMITS, "sqs-workers", "sqs-consumer", "ours"),
        ("messages", "requests", "utilisation", "cpu", "ratio", "rate", "processes"),
        work=heavy_tailed,
        concurrency=20,
        faults=_SLOWED,
    ),
    Scenario(
        "groups",
        "50 groups of a FIFO queue: handler sleeps 50 ms, concurrency 20, 15 ms per request",
        ("ours", "ours-fifo"),
        ("messages", "requests", "utilisation", "cpu", "rate", "duplicates"),
        work=fifty_milliseconds,
        concurrency=20,
        faults=_SLOWED,
    ),
    Scenario(
        "slow",
        "Handler three times the visibility timeout (2 s), two processes",
        ("limit-pipeline", "dramatiq", "sqs-consumer-hb", "ours"),
        ("messages", "duplicates", "stale", "renewals", "renewals needed", "requests", "wall"),
        messages=45,
        work=three_timeouts,
        visibility_timeout=2,
        faults=_SLOWED,
        replicas=2,
        together=True,
        timeout=100.0,
    ),
    Scenario(
        "steady",
        "200 messages a second, 50 ms each, concurrency 20, 15 ms per request",
        (
            "limit-pipeline",
            "naive-batch-threads",
            "sqs-workers",
            "sqs-consumer",
            "ours",
            "ours-linger",
        ),
        ("messages", "requests", "latency p50", "latency p99", "cpu", "processes"),
        work=fifty_milliseconds,
        rate=200.0,
        concurrency=20,
        faults=_SLOWED,
    ),
    Scenario(
        "onepersecond",
        "One message a second, 15 ms per request",
        ("limit-pipeline", "naive", "sqs-consumer", "ours"),
        ("messages", "lost", "requests", "start p50", "start p99", "cpu"),
        messages=40,
        rate=1.0,
        regular=True,
        faults=_SLOWED,
        together=True,
        trace=True,
    ),
    Scenario(
        "errors",
        "One request in 20 throttled, one answer in 20 lost; visibility timeout 5 s",
        ("limit-pipeline", "naive-batch-threads", "sqs-workers", "sqs-consumer", "ours"),
        ("messages", "lost", "rush", "duplicates", "dead letters", "requests", "wall"),
        visibility_timeout=5,
        faults={"throttle_every": 20, "lose_every": 20},
        trace=True,
    ),
    Scenario(
        "idle",
        "Idle for a minute, concurrency 10",
        ("limit-boto3", "naive", "powertools", "sqs-workers", "dramatiq", "sqs-consumer", "ours"),
        ("idle requests", "idle cpu", "resident", "proportional", "processes"),
        kind="idle",
        messages=0,
        together=True,
    ),
    Scenario(
        "start",
        "From exec to the first receive",
        ("limit-boto3", "sqs-workers", "dramatiq", "sqs-consumer", "ours", "ours-service"),
        ("start cpu", "start wall"),
        kind="start",
        messages=0,
        rounds=3,
    ),
    Scenario(
        "memory",
        "Memory after 2,000 messages, concurrency 10",
        ("limit-boto3", "naive", "powertools", "sqs-workers", "dramatiq", "sqs-consumer", "ours"),
        ("resident", "proportional", "processes"),
        concurrency=10,
    ),
    Scenario(
        "payment",
        "The real payment service with its transaction and outcome, 15 ms per request",
        ("ours-payment", "ours-payment-traced", "ours-payment-traced-all"),
        ("messages", "dynamodb", "sqs", "sns", "published", "cpu", "rate", "resident"),
        concurrency=20,
        faults=_SLOWED,
    ),
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _TABLE}


def arrivals(scenario: Scenario, number: int) -> list[float]:
    """Return the delay of each message after the release (s)."""
    if not scenario.rate:
        return [0.0] * number
    if scenario.regular:
        return [(position + 1) / scenario.rate for position in range(number)]
    rng, at, delays = random.Random(_SEED), 0.0, []  # noqa: S311 - not for secrets
    for _ in range(number):
        at += rng.expovariate(scenario.rate)
        delays.append(at)
    return delays
