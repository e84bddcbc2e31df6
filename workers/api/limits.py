"""Concurrency limits of order-api. The AWS connection pool is sized from them.

This module imports nothing of the project, so that anything can import it.
"""

from typing import Final

# Threads that serve requests, each with one AWS call at a time. anyio's default is 40 too.
REQUEST_THREADS: Final = 40
MAX_IN_FLIGHT: Final = 5 * REQUEST_THREADS  # requests; bounds the wait for a thread
