"""The contract of ports/test_topic.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_topic import *  # noqa: F403 - with the fixtures of this folder
