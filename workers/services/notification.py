"""Notification: tells customers what happened to their order, and operations what runs out."""

from typing import Protocol


class Mailer(Protocol):
    """What sends e-mail."""

    def send(self, to: str, subject: str, body: str, *, reference: str) -> None:
        """Send a plain text mail; ``reference`` names it in the provider's records.

        At least once: a repeat sends a second mail. Raises ``Unavailable`` if the provider does
        not answer, ``PermanentError`` if it refuses the mail for good.
        """
