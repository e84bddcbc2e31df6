"""``python -m bench.standin``: prints its port once it answers."""

import asyncio

from bench.standin.control import run

try:
    from uvloop import run as run_loop
except ImportError:  # slower, but the same
    run_loop = asyncio.run

run_loop(run())
