"""Compares the configuration with what AWS accepts, without AWS."""
