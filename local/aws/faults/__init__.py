"""Faults in front of the embedded AWS."""
