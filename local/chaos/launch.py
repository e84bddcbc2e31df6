"""Runs ``workers run SERVICE`` with a shifted clock, or with an order that kills the process.

    python -m local.chaos.launch run payment

``CHAOS_CLOCK=600`` sets the clock ten minutes ahead: ``time.time`` and every ``datetime.now`` in
``workers``. Request signatures keep the correct time, because AWS would refuse them otherwise.
``CHAOS_ABORT=customer@example.com`` aborts payment when it charges an order of this customer.
The production code knows neither variable. Exits with 2 if ``CHAOS_CLOCK`` is not a number.
"""

import importlib
import os
import runpy
import sys
import time
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

CLOCK: Final = "CHAOS_CLOCK"  # s
ABORT: Final = "CHAOS_ABORT"  # an email address
USAGE: Final = 2  # exit code


class _AnyDatetime(type):
    """Makes every ``datetime`` an instance of the shifted class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


def shifted(seconds: float) -> type[datetime]:
    """Return a replacement for ``datetime`` whose ``now`` is ahead by ``seconds``."""
    by = timedelta(seconds=seconds)

    class Shifted(datetime, metaclass=_AnyDatetime):
        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            return datetime(*arguments, **named)  # noqa: DTZ001 - the caller decides

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + by

    return Shifted


def shift_clock(seconds: float) -> None:
    """Set the clock of this process ahead. Call this before any other code reads the time."""
    correct = time.time
    time.time = lambda: correct() + seconds
    for name in ("workers.bootstrap", "workers.api.app"):
        importlib.import_module(name)
    replacement = shifted(seconds)
    for name, module in list(sys.modules.items()):
        ours = name.startswith("workers.") and name != __name__
        if ours and getattr(module, "datetime", None) is datetime:
            vars(module)["datetime"] = replacement


def abort_at(email: str) -> None:
    """Abort this process when payment handles an order of this customer."""
    from workers.services import payment  # noqa: PLC0415 - the clock is shifted first

    simulated = vars(payment)["simulated"]

    def abort_or_simulate(order: Any, service: str, *, allowed: bool) -> Any:
        if order.customer_email == email:
            os.abort()
        return simulated(order, service, allowed=allowed)

    vars(payment)["simulated"] = abort_or_simulate


def _offset(text: str) -> float:
    """Read ``CHAOS_CLOCK``; an empty text is 0. Exits with ``USAGE`` if it is not a number."""
    try:
        return timedelta(seconds=float(text or "0")).total_seconds()
    except (OverflowError, ValueError):
        print(f"workers: {CLOCK} must be a number of seconds, not {text!r}", file=sys.stderr)  # noqa: T201 - a command line
        sys.exit(USAGE)


def main() -> None:
    """Apply the environment variables, then run the command line of ``workers``."""
    if seconds := _offset(os.environ.get(CLOCK, "")):
        shift_clock(seconds)
    if email := os.environ.get(ABORT):
        abort_at(email)
    runpy.run_module("workers", run_name="__main__")


if __name__ == "__main__":
    main()
