"""Applies terraform/ to the embedded AWS and runs what it made."""
