"""Runs LocalStack instead of the embedded AWS."""

from support.composed import Composed


class LocalStack(Composed):
    """The LocalStack of docker-compose.yml, up during the ``with`` block."""

    def __init__(self):
        super().__init__("localstack")

    @property
    def url(self):
        return self.aws

    def environment(self, _inherited=None, *, endpoint=None):
        return super().environment(endpoint=endpoint or self.aws)
