"""``workers run SERVICE`` as the chaos run starts it: its clock is off, or one order kills it.

    python -m local.chaos.launch run payment

``CHAOS_CLOCK=600`` puts the clock ten minutes forward: ``time.time`` and every ``datetime.now`` of
this package. Signatures of requests keep the right time, for AWS would refuse them.
``CHAOS_ABORT=ada@example.com`` aborts payment when it is to charge an order of this customer.
The product knows neither.
"""

import importlib
import os
import runpy
import sys
import time
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

CLOCK: Final = "CHAOS_CLOCK"  # s
ABORT: Final = "CHAOS_ABORT"  # an e-mail address


class _AnyDatetime(type):
    """Whatever is a ``datetime`` is one of the shifted class too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


def shifted(seconds: float) -> type[datetime]:
    """Make a class that stands for ``datetime`` and is off by ``seconds`` when asked the time."""
    by = timedelta(seconds=seconds)

    class Shifted(datetime, metaclass=_AnyDatetime):
        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            return datetime(*arguments, **named)  # noqa: DTZ001 - as the caller wants it

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + by

    return Shifted


def shift_clock(seconds: float) -> None:
    """Put this process's clock forward. To be called before anything has asked for the time."""
    right = time.time
    time.time = lambda: right() + seconds
    for name in ("workers.bootstrap", "workers.api.app"):
        importlib.import_module(name)
    stand_in = shifted(seconds)
    for name, module in list(sys.modules.items()):
        ours = name.startswith("workers.") and name != __name__
        if ours and getattr(module, "datetime", None) is datetime:
            vars(module)["datetime"] = stand_in


def abort_at(email: str) -> None:
    """End this process without a word when payment looks at an order of this customer."""
    from workers.services import payment  # noqa: PLC0415 - the clock comes first

    simulated = vars(payment)["simulated"]

    def deadly(order: Any, service: str, *, allowed: bool) -> Any:
        if order.customer_email == email:
            os.abort()
        return simulated(order, service, allowed=allowed)

    vars(payment)["simulated"] = deadly


def main() -> None:
    """Run the command line of the product with what the environment asks for."""
    if seconds := float(os.environ.get(CLOCK, "0")):
        shift_clock(seconds)
    if email := os.environ.get(ABORT):
        abort_at(email)
    runpy.run_module("workers", run_name="__main__")


if __name__ == "__main__":
    main()
