"""The launcher shifts a process's clock, and lets one order abort it."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from local.chaos import launch

ASK = """
import time
from datetime import UTC
from local.chaos import launch
launch.shift_clock(600)
from workers import bootstrap, envelope
from workers.runtime.observability import logs
from workers.aws.outbox import Outbox
print(time.time())
print(envelope.datetime.now(UTC).timestamp())
print(logs.datetime.now(UTC).timestamp())
print(Outbox(None, "orders").clock())
print(logs.datetime.fromisoformat("2026-11-21T12:00:00+00:00").isoformat())
match logs.datetime.now(UTC):
    case logs.datetime():
        print("a datetime")
"""
ABORT = """
from support.builders import an_order
from local.chaos import launch
from workers.services import payment
launch.abort_at("poison@example.com")
payment.simulated(an_order(), "payment", allowed=True)
print("fine", flush=True)
payment.simulated(an_order(customer_email="poison@example.com"), "payment", allowed=True)
"""


def python(program):
    return subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
        text=True,
    )


def test_every_clock_of_the_process_is_ten_minutes_ahead():
    before = Decimal(datetime.now(UTC).timestamp())
    told = python(ASK)
    *times, read, kind = told.stdout.splitlines()
    clocks = [Decimal(line) - before for line in times]
    assert len(clocks) == 4, told.stderr
    assert all(600 <= ahead < 900 for ahead in clocks)
    assert (read, kind) == ("2026-11-21T12:00:00+00:00", "a datetime")


@pytest.mark.parametrize("clock", ["abc", "inf", "nan"])
def test_a_clock_that_is_not_a_number_is_a_usage_error(clock):
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-P", launch.__file__, "run", "payment"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CHAOS_CLOCK": clock},
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 2
    assert done.stderr == f"workers: CHAOS_CLOCK must be a number of seconds, not {clock!r}\n"


def test_only_the_planted_order_aborts_the_process():
    done = python(ABORT)
    assert done.stdout == "fine\n", done.stderr
    assert done.returncode == -signal.SIGABRT
