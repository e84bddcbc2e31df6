"""How a trial talks: progress while it runs, and a verdict at its end."""

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass

from rich.console import Console

VIOLATED = 1  # exit code; argparse's own for bad input is 2
INTERRUPTED = 130
SHOWN = 5  # of many things that are wrong


@dataclass(frozen=True)
class Check:
    """One expectation, and what speaks against it."""

    name: str
    wrong: tuple[str, ...] = ()

    @property
    def held(self):
        return not self.wrong

    @property
    def line(self):
        """Say it on one line."""
        if self.held:
            return f"ok      {self.name}"
        more = f" and {len(self.wrong) - SHOWN} more" if len(self.wrong) > SHOWN else ""
        return f"FAILED  {self.name}: {'; '.join(self.wrong[:SHOWN])}{more}"


class Progress:
    """Prints lines with the seconds since the start; on standard error if a document follows."""

    def __init__(self, *, as_json=False):
        self._started = time.monotonic()
        self._console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)

    def tell(self, text):
        self._console.print(f"{time.monotonic() - self._started:7.1f} s  {text}")

    def show(self, text):
        self._console.print(text)


def conclude(progress, figures, checks, *, as_json):
    """Print figures and verdict; gives the exit code."""
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


def positive(text):
    """Read a number above zero, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: known are numbers above 0")
    return number


def count(text):
    """Read a whole number above zero, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: known are whole numbers from 1 on")
    return int(text)
