"""The bucket of large bodies, in memory."""

from support.fakes.faults import Faults
from workers.runtime.errors import Missing

BUCKET = "payloads-of-tests"


class FakePayloads(Faults):
    """The port ``Payloads``; ``objects`` has what is stored, by key."""

    def __init__(self):
        super().__init__()
        self.bucket = BUCKET
        self.objects = {}

    def put(self, key, body):
        with self._call("put"):
            self.objects[key] = bytes(body)

    def get(self, key, limit):
        with self._call("get"):
            if key not in self.objects:
                raise Missing(f"no object {key}", dependency="s3")
            body = self.objects[key]
            return body if len(body) <= limit else None
