"""Fixes for the moto services that only Terraform uses, applied on a service's first request.

Importing such a service takes up to a second and tens of megabytes. The demo needs none of them.
"""

from importlib import import_module
from threading import Lock
from typing import Final

# Service name in the request signature -> module of this package that defines ``correct()``.
_MODULES: Final = {
    "application-autoscaling": "autoscaling",
    "athena": "athena",
    "cognito-idp": "cognito",
    "ec2": "ec2",
    "ecs": "ecs",
    "kms": "kms",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "s3": "s3",
    "ses": "ses",
}


class Corrections:
    """Corrects each service before its first request. Thread-safe."""

    def __init__(self) -> None:
        self._missing = dict(_MODULES)
        self._lock = Lock()

    def apply(self, service: str) -> None:
        """Correct a service, once. Does nothing for a service without corrections."""
        if service not in self._missing:
            return
        with self._lock:
            if module := self._missing.get(service):
                import_module(f"{__name__}.{module}").correct()
                del self._missing[service]
