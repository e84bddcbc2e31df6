"""The chaos run: injects faults into the whole system and checks its invariants."""
