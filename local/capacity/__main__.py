"""Writes docs/CAPACITY.md again: ``make capacity``."""

from local.capacity.page import write

if __name__ == "__main__":
    write()
