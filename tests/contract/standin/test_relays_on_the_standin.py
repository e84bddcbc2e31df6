"""The contract of ports/test_relays.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_relays import *  # noqa: F403 - with the fixtures of this folder
