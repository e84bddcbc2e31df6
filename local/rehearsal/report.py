"""Prints the steps of the rehearsal, and what it expects of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Report:
    """Prints the steps with their duration and result, and the expectations."""

    def __init__(self) -> None:
        self.held = True
        self._print = Console(highlight=False, markup=False, soft_wrap=True).print

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time a step. The block appends its results to the list it receives."""
        results: list[str] = []
        started = time.monotonic()
        yield results
        seconds = time.monotonic() - started
        self._print(f"{seconds:>6.1f} s  {name}{': ' if results else ''}{', '.join(results)}")

    def expect(self, what: str, *, held: bool) -> None:
        """Print one expectation, and remember if it failed."""
        self.held = self.held and held
        self._print(f"  {'ok' if held else 'FAILED'}  {what}")
