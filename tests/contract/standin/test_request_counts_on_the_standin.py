"""The contract of ports/test_request_counts.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_request_counts import *  # noqa: F403 - with the fixtures of this folder
