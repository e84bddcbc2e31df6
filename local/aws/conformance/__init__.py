"""Compares requests with the services' own models, as the SDK ships them."""

from local.aws.conformance.violations import Violations

__all__ = ["Violations"]
