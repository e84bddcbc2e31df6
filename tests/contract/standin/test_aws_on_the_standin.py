"""The contract of ports/test_aws.py, on the benchmark's stand-in of AWS."""

from contract.ports.test_aws import *  # noqa: F403 - with the fixtures of this folder
