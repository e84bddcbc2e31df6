"""The refusal of a request."""

from typing import Any


class Refused(Exception):
    """The request is refused with an error code of the API reference.

    ``fields`` are in the answer next to code and message.
    """

    def __init__(self, code: str, message: str = "", **fields: Any) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or code
        self.fields = fields
