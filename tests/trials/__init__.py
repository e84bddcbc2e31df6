"""Trials: a promise put to the test for minutes, with a verdict. Part of them is in make test."""
