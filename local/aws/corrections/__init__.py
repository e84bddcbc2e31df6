"""Corrections of services of moto that only Terraform uses: made once such a service is asked.

Importing a service takes up to a second and tens of megabytes, and the demo needs none of them.
"""

from importlib import import_module
from threading import Lock
from typing import Final

# A module of this package for each, with ``correct()``; keyed by the name in the signature.
_MODULES: Final = {
    "application-autoscaling": "autoscaling",
    "cognito-idp": "cognito",
    "ec2": "ec2",
    "ecs": "ecs",
    "kms": "kms",
    "monitoring": "cloudwatch",
    "ses": "ses",
}


class Corrections:
    """Corrects a service before its first request. Any thread may ask."""

    def __init__(self) -> None:
        self._missing = dict(_MODULES)
        self._lock = Lock()

    def apply(self, service: str) -> None:
        """Correct a service unless that has been done, or there is nothing to correct."""
        if service not in self._missing:
            return
        with self._lock:
            if module := self._missing.get(service):
                import_module(f"{__name__}.{module}").correct()
                del self._missing[service]
