"""Runs the stand-in: ``python -m bench.standin`` prints its port once it accepts connections."""

import asyncio

from bench.standin.control import run

try:
    from uvloop import run as run_loop
except ImportError:  # slower, same behaviour
    run_loop = asyncio.run

run_loop(run())
