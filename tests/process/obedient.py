"""Run ``workers run payment`` with a handler that does what the order's id says.

    python tests/process/obedient.py run payment

``wait-1`` waits until the file $GATES/wait-1 exists, ``slow-1`` takes 1.5 s, ``take-40-1`` 40 ms,
``burn-1`` holds the interpreter's lock for long stretches, ``exit-1`` ends its thread, ``abort-1``
its process; any other id returns at once. Every handler that returns counts an effect in the
document ``effect#<order id>``.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from workers import bootstrap, cli
from workers.events import OrderCreated
from workers.runtime.handler import handles
from workers.runtime.ports import Transaction

GLANCE = 0.01  # s
SLOW = 1.5  # s
BURN = 5.5  # s
AT_A_TIME = 12_000_000  # numbers that one call adds up, in about a fifth of a second

log = structlog.get_logger()


@dataclass(frozen=True)
class Obedient:
    gates: Path

    @handles
    def handle(self, order: OrderCreated, tx: Transaction) -> None:
        log.info("handler.started", orderId=order.order_id)
        match order.order_id.partition("-")[0]:
            case "wait":
                while not (self.gates / order.order_id).exists():
                    time.sleep(GLANCE)
            case "slow":
                time.sleep(SLOW)
            case "take":
                time.sleep(int(order.order_id.split("-")[1]) / 1000)
            case "burn":
                until = time.monotonic() + BURN
                while time.monotonic() < until:
                    sum(range(AT_A_TIME))
            case "exit":
                raise SystemExit
            case "abort":
                os.abort()
        tx.add(f"effect#{order.order_id}", {"times": 1})


if __name__ == "__main__":
    bootstrap.Payment = lambda _gateway, **_settings: Obedient(Path(os.environ["GATES"]))
    cli.main()
