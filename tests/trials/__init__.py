"""Trials test a promise for minutes and print a verdict. ``make test`` runs short versions."""
