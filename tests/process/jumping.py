"""Run ``obedient.py`` with a wall clock that jumps ten minutes forward and back at each read."""

import runpy
import time
from itertools import cycle
from pathlib import Path

JUMPS = cycle((0.0, 600.0, -600.0))  # s
_time = time.time

time.time = lambda: _time() + next(JUMPS)  # before any module imports it
runpy.run_path(str(Path(__file__).with_name("obedient.py")), run_name="__main__")
