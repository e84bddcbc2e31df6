"""The contract of the events: what a version promises, and whether a change keeps it."""
