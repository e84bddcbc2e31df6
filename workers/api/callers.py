"""Callers of order-api, and what each of them may do.

Only decisions are here. ``tokens`` finds out who the caller is, ``authentication`` asks it about
each request.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

WRITE: Final = "orders:write"
READ: Final = "orders:read"
OPERATE: Final = "orders:operate"
SCOPES: Final = frozenset({WRITE, READ, OPERATE})
# Characters: https://openid.net/specs/openid-connect-core-1_0.html#IDToken
MAX_SUBJECT: Final = 255

Action: TypeAlias = Literal["place", "read", "cancel", "ship", "refund"]
# The scopes of which a caller needs one; the first is the least. terraform/api.tf has the same.
NEEDED: Final[Mapping[Action, tuple[str, ...]]] = MappingProxyType(
    {
        "place": (WRITE, OPERATE),
        "read": (READ, OPERATE),
        "cancel": (WRITE, OPERATE),
        "ship": (OPERATE,),
        "refund": (OPERATE,),
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller, by the ``sub`` of its token. The subject is empty where nobody is asked."""

    subject: str
    scopes: frozenset[str]

    def may(self, action: Action) -> bool:
        """Return whether the scopes allow an action, at least on the caller's own orders."""
        return not self.scopes.isdisjoint(NEEDED[action])

    def reaches(self, owner: str | None) -> bool:
        """Return whether the caller may see and change an order of ``owner``.

        Orders of versions before owners have none: they are for ``orders:operate`` alone.
        """
        return self.operates or (owner is not None and owner == self.subject)

    @property
    def operates(self) -> bool:
        """Whether the caller may act on every order, and say to whom a new one belongs."""
        return OPERATE in self.scopes

    def owner_of(self, customer_id: str | None, named: str | None = None) -> str | None:
        """Return the owner of an order that this caller places.

        A caller that operates may place it for a customer: for the ``named`` one, or else for that
        with the customer's id. Otherwise that id is no more than data for the payment provider,
        because anyone could write any id there; order-api refuses ``named``.
        """
        if self.operates and named is not None:
            return named
        if self.operates and self.subject and customer_id is not None:
            return customer_id
        return self.subject or None

    @property
    def hash(self) -> str:
        """A name for the caller in keys: it has no separator and no personal data."""
        return sha256(self.subject.encode()).hexdigest()[:32]


# Without authentication, everybody may do everything, as on a developer's machine.
EVERYBODY: Final = Caller("", SCOPES)


def known_scopes(given: Collection[str]) -> frozenset[str]:
    """Return those scopes that order-api knows.

    Cognito writes ``orders/read``: the identifier of the resource server, a slash and the name.
    """
    return frozenset(scope.replace("/", ":", 1) for scope in given) & SCOPES
