"""``obedient.py``, where the wall clock is ten minutes ahead at one look and behind at the next."""

import runpy
import time
from itertools import cycle
from pathlib import Path

JUMPS = cycle((0.0, 600.0, -600.0))  # s
_time = time.time

time.time = lambda: _time() + next(JUMPS)  # before anything of ours has taken hold of it
runpy.run_path(str(Path(__file__).with_name("obedient.py")), run_name="__main__")
