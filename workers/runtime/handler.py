"""Handlers are methods; their signature says what they consume and publish."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, TypeAlias, TypeVar, get_args, get_type_hints

from workers.events import Event
from workers.runtime.ports import Transaction

Returned: TypeAlias = Event | tuple[Event, ...] | None
Handler: TypeAlias = Callable[[Any, Transaction], Returned]
H = TypeVar("H", bound=Callable[..., Returned])

_MARK: Final = "__handles__"


def handles(method: H) -> H:
    """Mark a method ``(self, event, transaction) -> outcomes`` as a handler.

    Nothing is registered; see ``Handlers``. The method returns the outcome, a tuple of them,
    or None.
    """
    setattr(method, _MARK, True)
    return method


@dataclass(frozen=True)
class Route:
    """What one handler takes and may lead to."""

    consumes: type[Event]
    publishes: tuple[type[Event], ...]
    handler: Handler


class Handlers:
    """The handlers of one service, by the type of event they take."""

    def __init__(self, service: object) -> None:
        """Collect the marked methods. Raises ``TypeError`` for a signature that is not one."""
        self.routes: dict[type[Event], Route] = {}
        for route in _routes(service):
            if route.consumes in self.routes:
                raise TypeError(f"{type(service).__name__}: two handlers for {route.consumes.type}")
            self.routes[route.consumes] = route

    def route(self, event: Event) -> Route | None:
        """Find the handler of an event, if this service has one."""
        return self.routes.get(type(event))

    def handle(self, event: Event, transaction: Transaction) -> tuple[Event, ...]:
        """Call the handler of an event and return its outcomes.

        Raises ``TypeError`` for an outcome that the signature does not name.
        """
        route = self.routes[type(event)]
        returned = route.handler(event, transaction)
        if returned is None:
            return ()
        outcomes = returned if isinstance(returned, tuple) else (returned,)
        for outcome in outcomes:
            if not isinstance(outcome, route.publishes):
                raise TypeError(f"handler of {event.type} returned {type(outcome).__name__}")
        return outcomes

    @property
    def consumes(self) -> frozenset[str]:
        """The event types this service handles."""
        return frozenset(event.type for event in self.routes)

    @property
    def publishes(self) -> frozenset[str]:
        """The event types its handlers may lead to."""
        return frozenset(e.type for route in self.routes.values() for e in route.publishes)


def _routes(service: object) -> Iterator[Route]:
    for name, function in vars(type(service)).items():
        if not hasattr(function, _MARK):
            continue
        hints = get_type_hints(function)
        result = hints.pop("return", None)
        if len(hints) != 2:  # noqa: PLR2004 - the event and the transaction
            raise TypeError(f"{type(service).__name__}.{name} must take an event and a transaction")
        consumes = next(iter(hints.values()))
        yield Route(consumes, tuple(dict.fromkeys(_events(result))), getattr(service, name))


def _events(hint: object) -> Iterator[type[Event]]:
    """Flatten ``A | tuple[B, C] | None`` to A, B, C."""
    if isinstance(hint, type) and issubclass(hint, Event):
        yield hint
        return
    for part in get_args(hint):
        if part not in (NoneType, Ellipsis):
            yield from _events(part)
