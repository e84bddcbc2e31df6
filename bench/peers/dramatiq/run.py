"""dramatiq with dramatiq-sqs, one process, one thread per slot.

https://github.com/Bogdanp/dramatiq_sqs
"""

import os
import sys
from pathlib import Path

from handler import CONCURRENCY, WAIT

# Wait time of a poll (ms). The default of one second would poll twenty times as often.
os.environ["dramatiq_worker_timeout"] = str(WAIT * 1000)  # noqa: SIM112 - dramatiq uses lower case
os.chdir(Path(__file__).parent)  # dramatiq imports ``app`` from here
sys.path.insert(0, str(Path(__file__).parent))

from dramatiq.cli import main, make_argument_parser  # noqa: E402 - it reads the variable above

sys.exit(main(make_argument_parser().parse_args(["app", "-p", "1", "-t", str(CONCURRENCY)])))
