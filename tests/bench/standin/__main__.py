"""``python -m bench.standin PORT``."""

import asyncio
import sys

from bench.standin.control import run

try:
    from uvloop import run as run_loop
except ImportError:  # slower, but the same
    run_loop = asyncio.run

run_loop(run(int(sys.argv[1])))
