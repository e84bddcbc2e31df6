"""Chooses how order-api finds out who calls: the setting ``AUTH``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event as Flag

from workers.api.authentication import Identify, everybody
from workers.runtime.errors import SettingsError
from workers.settings import Settings

Loop = Callable[[Flag], None]


@dataclass(frozen=True)
class Entrance:
    """How callers are identified, and the loops that this needs, by name."""

    identify: Identify
    loops: dict[str, Loop] = field(default_factory=dict)


def entrance(settings: Settings, *, on_aws: bool) -> Entrance:
    """Build what identifies callers. Fetches keys once, and goes on without an answer.

    Raises ``SettingsError`` if a setting is missing or unusable, or if nobody would be asked on
    AWS: orders there must not be open to everybody by accident.
    """
    if settings.auth == "jwt":
        # Its libraries take 6 MiB, which a service without tokens should not pay.
        from workers.api.verification import verification  # noqa: PLC0415

        tokens, loops = verification(settings)
        return Entrance(tokens.caller, loops)
    if on_aws:
        raise SettingsError(
            "AUTH: must be jwt on AWS, with JWT_ISSUER and JWT_AUDIENCE, "
            "or everybody could read and refund every order"
        )
    return Entrance(everybody)
