"""Compares what is deployed with the map and the settings: one module for each area."""
