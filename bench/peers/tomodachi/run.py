"""tomodachi's SNS/SQS handler: ten messages at a time; one process per ten slots.

https://github.com/kalaspuff/tomodachi
"""

import subprocess
import sys
from pathlib import Path

from handler import CONCURRENCY

command = [
    str(Path(sys.executable).with_name("tomodachi")),
    *("run", "service.py", "--production", "--log-level", "error"),
]
processes = [
    subprocess.Popen(command, cwd=Path(__file__).parent)  # noqa: S603 - pinned
    for _ in range(-(-CONCURRENCY // 10))
]
for process in processes:
    process.wait()
