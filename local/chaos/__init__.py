"""Faults against the whole system, and what must be true all the same."""
