"""Fails a test with one line per finding."""

import pytest


def check(findings):
    """Fail with the findings, if there are any, and without a traceback."""
    if found := list(findings):
        pytest.fail("\n".join(found), pytrace=False)
