"""The task that PyQS looks up by its path."""

from handler import handle


def work(body: str) -> None:
    """Handle one message."""
    handle(body)
