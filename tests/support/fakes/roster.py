"""The roster of a service, in memory."""

from support.fakes.faults import Faults


class FakeRoster(Faults):
    """The port ``Roster``."""

    def __init__(self):
        super().__init__()
        self.ids = set()
        self.beats = {}  # worker -> its last heartbeat
        self.paused = None

    def beat(self, heartbeat):
        with self._call("beat"):
            self.beats[heartbeat.worker] = heartbeat

    def join(self, worker):
        with self._call("join"):
            self.ids.add(worker)
            return set(self.ids)

    def leave(self, workers):
        with self._call("leave"):
            self.ids -= set(workers)

    def last_beat(self, worker):
        with self._call("last_beat"):
            beat = self.beats.get(worker)
            return beat and beat.at

    def pause(self):
        with self._call("pause"):
            return self.paused
