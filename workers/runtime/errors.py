"""The exceptions of the runtime. A business "no" is an outcome, not an exception."""

from typing import ClassVar


class TransientError(Exception):
    """Trying again later may help: the message returns after a delay.

    ``retry_after`` (s) replaces the delay that the runtime would choose. Any other exception
    counts as transient too.
    """

    name: ClassVar[str] = "transient"

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(Exception):
    """Trying again cannot help: the message goes to the dead-letter queue now."""

    name: str = "permanent"


class TooOld(PermanentError):
    """The inbox may have forgotten whether the event was handled: handling it is not safe."""

    name = "too_old"


class Conflict(TransientError):
    """Another transaction changed what this one read. Retried in process; never an attempt."""

    name: ClassVar[str] = "conflict"


class InProgress(Conflict):
    """The same event or request is being handled elsewhere right now."""


class Unavailable(TransientError):
    """A dependency does not answer. The message is not at fault: never an attempt.

    Consecutive failures open the circuit breaker of ``dependency`` ("dynamodb", "sns", "ses",
    "payment-gateway", ...).
    """

    name: ClassVar[str] = "unavailable"

    def __init__(
        self, message: str = "", *, dependency: str, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.dependency = dependency


class Missing(Unavailable):
    """An object that a message refers to does not exist: it will be restored, or has expired."""


class LeaseLost(TransientError):
    """Another worker may own the message: nothing may be committed for it here."""

    name: ClassVar[str] = "lease_lost"


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it."""


class FatalError(Exception):
    """The worker cannot work at all: queue deleted, access denied. It exits with 1."""
