"""Refuses delivery streams that Firehose refuses and moto creates."""

from collections.abc import Mapping
from typing import Any, Final

from moto.firehose.exceptions import InvalidArgumentException
from moto.firehose.models import FirehoseBackend

from local.aws.patch import Method, wrap

_LEAST_MIB: Final = 64  # with dynamic partitioning
_DEFAULT_MIB: Final = 5


def refuse_what_firehose_refuses() -> None:
    """Refuse dynamic partitioning with a small buffer, or without a place for errors.

    https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-error-handling.html
    """

    @wrap(FirehoseBackend, "create_delivery_stream")
    def create(original: Method, backend: FirehoseBackend, *rest: Any, **named: Any) -> str:
        for config in (each for each in (*rest, *named.values()) if isinstance(each, dict)):
            if config.get("DynamicPartitioningConfiguration", {}).get("Enabled"):
                _check_partitioning(config)
        arn: str = original(backend, *rest, **named)
        return arn


def _check_partitioning(config: Mapping[str, Any]) -> None:
    size = config.get("BufferingHints", {}).get("SizeInMBs", _DEFAULT_MIB)
    if size < _LEAST_MIB:
        raise InvalidArgumentException(
            f"BufferingHints.SizeInMBs must be at least {_LEAST_MIB} when Dynamic Partitioning is "
            "enabled."
        )
    if not config.get("ErrorOutputPrefix"):
        raise InvalidArgumentException(
            "ErrorOutputPrefix must be specified when Dynamic Partitioning is enabled."
        )
