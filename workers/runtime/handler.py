"""Handlers: methods whose signature declares the events they consume and publish."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from workers.envelope import Event
from workers.runtime.ports import Transaction

Returned: TypeAlias = Event | tuple[Event, ...] | None
Handler: TypeAlias = Callable[[Any, Transaction], Returned]
H = TypeVar("H", bound=Callable[..., Returned])
B = TypeVar("B", bound=Callable[..., None])

_MARK: Final = "__handles__"
_BATCH: Final = "__handles_batch__"


def handles(method: H) -> H:
    """Mark a method ``(self, event, transaction) -> outcomes`` as a handler.

    Nothing is registered globally; see ``Handlers``. The event may be a union: one method then
    handles several types. The method returns an outcome, a tuple of outcomes, or None.
    """
    setattr(method, _MARK, True)
    return method


def handles_batch(method: B) -> B:
    """Mark a method ``(self, events, transaction) -> None`` that handles several events at once.

    For effects that are cheaper together, such as counters. ``events`` is a ``Sequence``: one event
    or more, each handled exactly once, in no particular order. All have one transaction, so the
    method must not do anything outside it: if it fails, it is called again with fewer of them. It
    has no outcomes.
    """
    setattr(method, _BATCH, True)
    return handles(method)


@dataclass(frozen=True)
class Route:
    """One handler: the event it consumes, and the events it may publish."""

    consumes: type[Event]
    publishes: tuple[type[Event], ...]
    handler: Callable[..., Returned]
    batch: bool = False  # the handler takes a sequence of events


class Handlers:
    """The handlers of one service, by the type of event they consume."""

    def __init__(self, service: object) -> None:
        """Collect the marked methods. Raises ``TypeError`` for an invalid signature."""
        self.routes: dict[type[Event], Route] = {}
        for route in _routes(service):
            if route.consumes in self.routes:
                raise TypeError(f"{type(service).__name__}: two handlers for {route.consumes.type}")
            self.routes[route.consumes] = route

    def route(self, event: Event) -> Route | None:
        """Find the handler of an event; None if this service has none."""
        return self.routes.get(type(event))

    def handle(self, event: Event, transaction: Transaction) -> tuple[Event, ...]:
        """Call the handler of an event and return its outcomes.

        Raises ``TypeError`` for an outcome that the signature does not declare.
        """
        route = self.routes[type(event)]
        returned = route.handler((event,) if route.batch else event, transaction)
        if returned is None:
            return ()
        outcomes = returned if isinstance(returned, tuple) else (returned,)
        for outcome in outcomes:
            if not isinstance(outcome, route.publishes):
                raise TypeError(f"handler of {event.type} returned {type(outcome).__name__}")
        return outcomes

    def handle_together(self, events: Sequence[Event], transaction: Transaction) -> None:
        """Call each batch handler with all of its events."""
        shares: dict[Callable[..., Returned], list[Event]] = {}
        for event in events:
            shares.setdefault(self.routes[type(event)].handler, []).append(event)
        for handler, share in shares.items():
            handler(share, transaction)

    def takes_together(self, event: Event) -> bool:
        """Return whether the handler of an event takes several at once."""
        route = self.route(event)
        return route is not None and route.batch

    @property
    def has_batches(self) -> bool:
        """Whether any handler takes several events at once."""
        return any(route.batch for route in self.routes.values())

    @property
    def consumes(self) -> frozenset[str]:
        """The event types this service handles."""
        return frozenset(event.type for event in self.routes)

    @property
    def subject_fields(self) -> tuple[str, ...]:
        """The fields that name what the events are about, in any order."""
        return tuple({name for event in self.routes for name in event.subject_fields})

    @property
    def publishes(self) -> frozenset[str]:
        """The event types its handlers may publish."""
        return frozenset(e.type for route in self.routes.values() for e in route.publishes)


def _routes(service: object) -> Iterator[Route]:
    for name, function in vars(type(service)).items():
        if not hasattr(function, _MARK):
            continue
        batch = hasattr(function, _BATCH)
        try:
            consumes, publishes = (_batch_signature if batch else _signature)(function)
        except TypeError as error:
            raise TypeError(f"{type(service).__name__}.{name}: {error}") from None
        for event in consumes:
            yield Route(event, publishes, getattr(service, name), batch)


def _batch_signature(function: object) -> tuple[tuple[type[Event], ...], tuple[type[Event], ...]]:
    match list(get_type_hints(function).items()):
        case [(_, events), (_, transaction), ("return", returned)] if (
            get_origin(events) is Sequence and transaction is Transaction and returned is NoneType
        ):
            return tuple(_union(*get_args(events))), ()
        case _:
            raise TypeError("must be annotated (Sequence[event], transaction) -> None")


def _signature(function: object) -> tuple[tuple[type[Event], ...], tuple[type[Event], ...]]:
    """Return the event types that a handler consumes and publishes."""
    match list(get_type_hints(function).items()):
        case [(_, event), (_, transaction), ("return", returned)] if transaction is Transaction:
            return tuple(_union(event)), tuple(dict.fromkeys(_outcomes(returned)))
        case _:
            raise TypeError("must be annotated (event, transaction) -> outcomes")


def _union(hint: object) -> Iterator[type[Event]]:
    """Flatten ``A | B`` to A, B."""
    if isinstance(hint, type) and issubclass(hint, Event) and hint is not Event:
        yield hint
    elif get_origin(hint) in (UnionType, Union):
        for part in get_args(hint):
            yield from _union(part)
    else:
        raise TypeError(f"{hint} is not a type of event")


def _outcomes(hint: object) -> Iterator[type[Event]]:
    """Flatten ``A | tuple[B, C] | None`` to A, B, C."""
    if get_origin(hint) in (UnionType, Union, tuple):
        for part in get_args(hint):
            yield from _outcomes(part)
    elif hint not in (NoneType, Ellipsis):
        yield from _union(hint)
