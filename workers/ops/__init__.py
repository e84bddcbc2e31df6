"""Tools for operators: queue depths, dead letters, the outbox, stock, counters."""
