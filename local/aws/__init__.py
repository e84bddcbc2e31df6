"""The embedded AWS: a local process that replaces AWS in the demo and in tests."""
