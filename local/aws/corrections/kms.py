"""Corrects moto's KMS, which drops the rotation period of a key."""

import json
from typing import Final

from moto.kms.responses import KmsResponse as Response

from local.aws.patch import Method, wrap

# https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
_DEFAULT_PERIOD: Final = 365  # days
_PERIODS: Final[dict[str, int]] = {}  # by key id


def correct() -> None:
    """Apply the correction of this module."""
    _keep_the_rotation_period()


def _keep_the_rotation_period() -> None:
    """Return RotationPeriodInDays from GetKeyRotationStatus, 365 by default.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html
    """

    @wrap(Response, "enable_key_rotation")
    def enable(original: Method, request: Response) -> str:
        answer: str = original(request)
        _PERIODS[_key(request)] = request._get_param("RotationPeriodInDays", _DEFAULT_PERIOD)  # noqa: SLF001 - moto's reader
        return answer

    @wrap(Response, "get_key_rotation_status")
    def status(original: Method, request: Response) -> str:
        found = json.loads(original(request))
        key = _key(request)
        if found["KeyRotationEnabled"]:
            found["RotationPeriodInDays"] = _PERIODS.get(key, _DEFAULT_PERIOD)
        return json.dumps(found | {"KeyId": key})


def _key(request: Response) -> str:
    return request.kms_backend.get_key_id(request._get_param("KeyId"))  # noqa: SLF001 - moto's reader
