"""Keeps requests from waiting for a store that does not answer.

While the store fails, requests are refused at once. A thread asks the store every second, so
requests are accepted again as soon as it answers. It also notices an outage without any request.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Final

from workers.runtime.dependencies import Dependencies
from workers.runtime.errors import Unavailable

PROBE_EVERY: Final = 5.0  # s; half a read unit each
PROBE_FAILING_EVERY: Final = 1.0  # s
RETRY_AFTER: Final = 5  # s that a client is told to wait


class Upstream:
    """The store as the request path sees it."""

    def __init__(self, dependencies: Dependencies, probe: Callable[[], object]) -> None:
        """``probe`` makes a cheap call; it raises ``Unavailable`` if the store does not answer."""
        self._dependencies = dependencies
        self._probe = probe
        self._trouble = False  # the last probe failed

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Serve a request in the block. Raises ``Unavailable`` at once during an outage."""
        for dependency in self._dependencies.failing():
            raise Unavailable(
                f"{dependency} does not answer", dependency=dependency, retry_after=RETRY_AFTER
            )
        try:
            yield
        except Unavailable as error:
            self._dependencies.failed(error)
            raise
        self._dependencies.succeeded()

    def watch(self, stopping: Flag) -> None:
        """Probe until ``stopping`` is set."""
        while not stopping.wait(PROBE_FAILING_EVERY if self._trouble else PROBE_EVERY):
            self.probe()

    def probe(self) -> None:
        """Ask the store once."""
        try:
            self._probe()
        except Unavailable as error:
            self._trouble = True
            self._dependencies.failed(error)
        else:
            self._trouble = bool(self._dependencies.failing())
            self._dependencies.succeeded()
