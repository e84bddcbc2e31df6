"""Terraform's configuration is applied to the embedded AWS, and its tasks are run."""
