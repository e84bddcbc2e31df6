"""Prints the progress of a trial, and the verdict at its end."""

import argparse
import json
import math
import os
import signal
import sys
import time
from dataclasses import dataclass

from rich.console import Console

VIOLATED = 1  # exit code; argparse's own for bad input is 2
INTERRUPTED = 130
SHOWN = 5  # findings of a failed check


@dataclass(frozen=True)
class Check:
    """One expectation, and the findings that violate it."""

    name: str
    wrong: tuple[str, ...] = ()

    @property
    def held(self):
        return not self.wrong

    @property
    def line(self):
        """Describe it in one line."""
        if self.held:
            return f"ok      {self.name}"
        more = f" and {len(self.wrong) - SHOWN} more" if len(self.wrong) > SHOWN else ""
        return f"FAILED  {self.name}: {'; '.join(self.wrong[:SHOWN])}{more}"


class Progress:
    """Prints lines with the seconds since the start; to standard error if JSON follows."""

    def __init__(self, *, as_json=False):
        self._started = time.monotonic()
        self._console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)

    def tell(self, text):
        self._console.print(f"{time.monotonic() - self._started:7.1f} s  {text}")

    def show(self, text):
        self._console.print(text)


def conclude(progress, figures, checks, *, as_json):
    """Print figures and verdict; return the exit code."""
    held = all(check.held for check in checks)
    if as_json:
        verdicts = [{"name": c.name, "ok": c.held, "wrong": list(c.wrong)} for c in checks]
        document = {"ok": held, "figures": figures, "checks": verdicts}
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    else:
        progress.show("")
        for name, value in figures.items():
            progress.show(f"{name:<42}{value}")
        progress.show("")
        for check in checks:
            progress.show(check.line)
        progress.show("")
        progress.show("held" if held else "VIOLATED")
    return 0 if held else VIOLATED


def parser(program, description, examples):
    """Return a parser with the options that the trials share."""
    common = argparse.ArgumentParser(
        prog=program,
        description=description.partition("\n")[0],
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common.add_argument("--json", action="store_true", help="print one JSON document at the end")
    return common


def exit_on_signals():
    """Exit at once on SIGINT and SIGTERM. A tether ends the processes that the trial started."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(INTERRUPTED))


def positive(text):
    """Read a number above zero, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number above 0")
    return number


def count(text):
    """Read a whole number above zero, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number above 0")
    return int(text)
