"""The contract of ports/test_store.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_store import *  # noqa: F403 - with the fixtures of this folder
