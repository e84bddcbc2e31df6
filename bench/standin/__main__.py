"""Runs the stand-in: ``python -m bench.standin [CERTIFICATE]`` prints its port when it is ready.

With a certificate it prints a second port, for TLS.
"""

import asyncio
import sys

from bench.standin.control import run

try:
    from uvloop import run as run_loop
except ImportError:  # slower, same behaviour
    run_loop = asyncio.run

run_loop(run(*sys.argv[1:]))
