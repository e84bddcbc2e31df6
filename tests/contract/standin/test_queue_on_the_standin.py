"""The contract of ports/test_queue.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_queue import *  # noqa: F403 - with the fixtures of this folder
