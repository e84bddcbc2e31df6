"""The contract of ports/test_allowance.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_allowance import *  # noqa: F403 - with the fixtures of this folder
