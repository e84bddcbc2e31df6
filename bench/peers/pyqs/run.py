"""PyQS: one process receives, one process per slot works; no pause between tasks.

https://github.com/spulec/PyQS
"""

import os

from handler import CONCURRENCY, QUEUE
from pyqs.main import _main

_main(
    queue_prefixes=[QUEUE],
    concurrency=CONCURRENCY,
    interval=0,  # the default sleeps 1 s after each task
    batchsize=10,
    prefetch_multiplier=2,
    region=os.environ["AWS_REGION"],
    logging_level="WARNING",
)
