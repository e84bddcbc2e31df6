"""Simulates a power cut before or after any call of a process to the outside world."""

from dataclasses import dataclass


class PowerCut(BaseException):
    """Not an ``Exception``, so that no code in the process can catch it and continue."""


@dataclass(frozen=True)
class Point:
    """A fault before or after the ``number``-th call of a run."""

    number: int
    name: str
    when: str  # "before" or "after" the call took effect

    def __str__(self):
        return f"{self.when}-{self.number}-{self.name}"


class Mains:
    """Counts all calls through its wires, and raises the error at one of them."""

    def __init__(self, point=None, error=PowerCut):
        self.calls = []
        self._point = point
        self._error = error

    def wire(self, name, port):
        return Wire(name, port, self)

    def pass_through(self, name, call):
        self.calls.append(name)
        here = self._point is not None and self._point.number == len(self.calls) - 1
        if here and self._point.when == "before":
            raise self._error
        result = call()
        if here:
            raise self._error
        return result

    def points(self):
        """List every point at which a run with these calls can fail."""
        return [
            Point(number, name, when)
            for number, name in enumerate(self.calls)
            for when in ("before", "after")
        ]


class Wire:
    """A port whose calls all go through the mains, including those of new methods."""

    def __init__(self, name, port, mains):
        self._name = name
        self._port = port
        self._mains = mains

    def __len__(self):
        return len(self._port)

    def __getattr__(self, attribute):
        value = getattr(self._port, attribute)
        if not callable(value):
            return value

        def call(*args, **options):
            name = f"{self._name}.{attribute}"
            result = self._mains.pass_through(name, lambda: value(*args, **options))
            if attribute.startswith("begin"):
                return Wire("transaction", result, self._mains)
            return result

        return call
