"""The contract of ports/test_outbox.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_outbox import *  # noqa: F403 - with the fixtures of this folder
