"""The counts of requests that all tasks of order-api share."""

from collections import Counter

from support.fakes.faults import Faults


class FakeCounts(Faults):
    def __init__(self):
        super().__init__()
        self.sums = Counter()

    def add(self, caller, window, requests):
        with self._call("add"):
            self.sums[caller, window] += requests
            return self.sums[caller, window]
