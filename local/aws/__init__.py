"""The embedded AWS: a process that stands in for AWS in demos and tests."""
