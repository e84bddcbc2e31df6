"""Fault injection for the embedded AWS."""
