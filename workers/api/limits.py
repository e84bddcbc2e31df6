"""How much order-api does at once. Imports nothing: the connections to AWS follow from it."""

from typing import Final

# Threads that serve requests, each with one call to AWS at a time. As many as anyio's default.
REQUEST_THREADS: Final = 40
MAX_IN_FLIGHT: Final = 5 * REQUEST_THREADS  # requests: a queue, not a pile
