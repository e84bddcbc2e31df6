"""A service with its own store."""

from dataclasses import dataclass, field
from itertools import count

import pytest
from support.fakes import FakeStore

from workers.runtime.errors import Conflict
from workers.runtime.handler import Handlers


@dataclass
class Stage:
    """Runs handlers like the runtime, without messages: event in, outcomes out."""

    service: object
    store: FakeStore = field(default_factory=FakeStore)
    _numbers: count = field(default_factory=count)

    def handle(self, event):
        """Handle an event under a new event id; repeat it after a conflict."""
        key, optimistic = f"test#{next(self._numbers)}", True
        while True:
            tx = self.store.begin(key, optimistic=optimistic)
            outcomes = Handlers(self.service).handle(event, tx)
            try:
                self.store.commit(tx, ())
            except Conflict:
                optimistic = False
                continue
            return outcomes

    def handle_at_once(self, events):
        """Handle events so that all have read before the first one writes."""
        handlers = Handlers(self.service)
        started = []
        for event in events:
            tx = self.store.begin(f"test#{next(self._numbers)}", optimistic=True)
            started.append((event, tx, handlers.handle(event, tx)))
        return [self._finish(*one) for one in started]

    def _finish(self, event, tx, outcomes):
        try:
            self.store.commit(tx, ())
        except Conflict:
            return self.handle(event)
        return outcomes

    def seed(self, key, document):
        self.store.seed(key, document)

    def document(self, key):
        return self.store.documents.get(key)


@pytest.fixture(scope="session")
def on_stage():
    return Stage
