"""Benchmarks the receive loop against its peers on a stand-in for AWS. See ``README.md``."""
