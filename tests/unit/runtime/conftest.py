"""Fixtures: logging as in production, restored after each test."""

import io
import logging
import sys

import pytest
import structlog

from workers.runtime.observability.logs import configure


@pytest.fixture
def logged_lines(request, monkeypatch):
    """Configure logging at "debug" or another level; call the value for the text written."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    lines = configure(getattr(request, "param", "debug"), service="payment")
    # Module loggers must not keep a stream that is closed after this test.
    structlog.configure(cache_logger_on_first_use=False)

    def written():
        lines.flush()
        return stream.buffer.getvalue().decode()

    yield written
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level
