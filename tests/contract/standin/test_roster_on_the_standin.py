"""The contract of ports/test_roster.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_roster import *  # noqa: F403 - with the fixtures of this folder
