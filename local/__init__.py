"""The whole system on one machine: an embedded AWS and every service as a process."""
