"""Waits for a condition with a deadline."""

import time

PATIENCE = 10.0  # s


def eventually(holds, patience=PATIENCE):
    """Return once ``holds()`` is true; fail after ``patience`` s."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"still false after {patience} s"
        time.sleep(0.02)
