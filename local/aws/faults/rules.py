"""Rules for faults between a client and the embedded AWS: counted and seeded, never timed.

The same rules, seed and order of requests give the same faults.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Annotated, Any, Final, Self
from urllib.parse import quote_plus

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from local.aws.faults.modes import EVERYTHING, MODES, SERVICES, operations

_HASH_BYTES: Final = 8

_Count = Annotated[int, Field(ge=0)]


class Rule(BaseModel):
    """A fault and the requests it affects. Raises ``ValueError`` that lists the valid values."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    operation: str  # "dynamodb.TransactWriteItems", "sqs.*" or "*"
    mode: str
    match: str = ""  # affect only requests whose parameters contain it: a table, an event id
    skip: _Count = 0  # let this many matching requests pass first
    count: _Count | None = None  # fire at most this many times; None: no limit
    rate: Annotated[float, Field(gt=0, le=1)] = 1  # share of the matching requests
    seconds: Annotated[float, Field(ge=0)] = 0  # mode delay: wait this long before the request
    lag: Annotated[int, Field(ge=1)] = 1  # mode stale: answer as of this many requests ago

    @field_validator("mode")
    @classmethod
    def _is_a_mode(cls, mode: str) -> str:
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; known modes: {', '.join(sorted(MODES))}")
        return mode

    @field_validator("operation")
    @classmethod
    def _is_an_operation(cls, pattern: str) -> str:
        service, _, operation = pattern.partition(".")
        if pattern == "*" or (service in SERVICES and operation == "*"):
            return pattern
        if service not in SERVICES:
            known = ", ".join(f"{each}.*" for each in SERVICES)
            raise ValueError(f"unknown operation {pattern!r}; known: *, {known} or one operation")
        if operation not in operations(service):
            known = ", ".join(operations(service))
            raise ValueError(f"unknown operation {pattern!r}; known of {service}: *, {known}")
        return pattern

    @model_validator(mode="after")
    def _can_happen(self) -> Self:
        possible = MODES[self.mode]
        if possible is not EVERYTHING and not any(self._covers(each) for each in possible):
            known = ", ".join(sorted(possible))
            raise ValueError(
                f"mode {self.mode} cannot affect {self.operation!r}; possible: {known}"
            )
        if (self.mode == "delay") != (self.seconds > 0):
            raise ValueError("mode delay needs seconds above 0, and no other mode takes seconds")
        return self

    def matches(self, operation: str, body: bytes) -> bool:
        """Return whether the rule affects a request (``sqs.ReceiveMessage``)."""
        possible = MODES[self.mode]
        return (
            self._covers(operation)
            and (possible is EVERYTHING or operation in possible)
            and (self.mode != "stale" or b'"IndexName"' in body)
            and (not self.match or any(each in body for each in _spellings(self.match)))
        )

    def _covers(self, operation: str) -> bool:
        service, _, name = self.operation.partition(".")
        if name == "*":
            return operation.startswith(f"{service}.")
        return self.operation in ("*", operation)


@dataclass(frozen=True)
class Fault:
    """A fault for one request."""

    rule: Rule
    number: int  # of the request among those that match the rule; the first is 1

    @property
    def mode(self) -> str:
        """The mode of the rule."""
        return self.rule.mode


class Faults:
    """Decides which requests fail, and counts them. Thread-safe."""

    def __init__(self, rules: Sequence[Rule] = (), seed: int = 0) -> None:
        self.seed = seed
        self.rules = tuple(rules)
        self.lag = max((rule.lag for rule in rules if rule.mode == "stale"), default=0)
        self._seen = [0] * len(self.rules)
        self._fired = [0] * len(self.rules)
        self._lock = Lock()

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Read ``{"seed": 7, "rules": [...]}``. Raises ``ValueError`` for anything else."""
        try:
            plan = _Plan.model_validate_json(text)
        except ValidationError as error:
            raise ValueError(_describe(error)) from error
        return cls(plan.rules, plan.seed)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def decide(self, service: str, operation: str, body: bytes) -> Fault | None:
        """Decide on one request. The first rule that fires wins; later rules do not count it."""
        name = f"{service}.{operation}"
        if service not in SERVICES:
            return None
        for position, rule in enumerate(self.rules):
            if rule.matches(name, body) and (fault := self._count(position, rule)):
                return fault
        return None

    def as_document(self) -> dict[str, Any]:
        """Return the seed, the rules with ``seen`` and ``fired`` each, and ``fired`` by mode."""
        with self._lock:
            by_mode: Counter[str] = Counter()
            for rule, fired in zip(self.rules, self._fired, strict=True):
                by_mode[rule.mode] += fired
            counted = zip(self.rules, self._seen, self._fired, strict=True)
            return {
                "seed": self.seed,
                "rules": [
                    rule.model_dump() | {"seen": seen, "fired": fired}
                    for rule, seen, fired in counted
                ],
                "fired": dict(sorted(by_mode.items())),
            }

    def _count(self, position: int, rule: Rule) -> Fault | None:
        with self._lock:
            self._seen[position] += 1
            number = self._seen[position]
            spent = rule.count is not None and self._fired[position] >= rule.count
            if spent or number <= rule.skip or self._spared(position, number):
                return None
            self._fired[position] += 1
            return Fault(rule, number)

    def _spared(self, position: int, number: int) -> bool:
        rate = self.rules[position].rate
        if rate == 1:
            return False
        drawn = hashlib.sha256(f"{self.seed}:{position}:{number}".encode()).digest()
        return int.from_bytes(drawn[:_HASH_BYTES]) >= rate * (1 << 8 * _HASH_BYTES)


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int = 0
    rules: list[Rule]


@cache
def _spellings(text: str) -> tuple[bytes, ...]:
    """Return a text as it is, as in a JSON string and as in a form."""
    return tuple({text.encode(), json.dumps(text)[1:-1].encode(), quote_plus(text).encode()})


def _describe(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'faults'}: "
        f"{each['msg'].removeprefix('Value error, ')}" + _field_hint(each["type"])
        for each in error.errors()
    )


def _field_hint(kind: str) -> str:
    return f"; known fields: {', '.join(Rule.model_fields)}" if kind == "extra_forbidden" else ""
