"""Follows references to large events, for the commands of operators."""

from dataclasses import dataclass

from workers.aws.clients import Clients
from workers.aws.identity import caller
from workers.aws.payloads import S3Payloads
from workers.pointer import Pointer, pointer_or_none
from workers.runtime.errors import FatalError, Missing
from workers.runtime.payloads import MAX_PAYLOAD_BYTES
from workers.runtime.ports import Payloads
from workers.settings import Settings


@dataclass(frozen=True)
class Followed:
    """The text of an event, and where it lies if that is not in the message."""

    body: str
    place: str = ""  # "s3://BUCKET/KEY"
    problem: str = ""  # why the body is still the reference


def payloads_of(clients: Clients, settings: Settings) -> Payloads | None:
    """Return the bucket in PAYLOAD_BUCKET, of the caller's account; None without the setting."""
    if not settings.payload_bucket:
        return None
    account = caller(clients).split(":")[4]
    return S3Payloads(clients.s3(), settings.payload_bucket, account)


def follow(body: str, payloads: Payloads | None) -> Followed:
    """Return the event that a body refers to, or the body itself. Raises ``Unavailable``."""
    pointer = pointer_or_none(body)
    if pointer is None:
        return Followed(body)
    text, problem = _read(pointer, payloads)
    return Followed(body if text is None else text, f"s3://{pointer.bucket}/{pointer.key}", problem)


def _read(pointer: Pointer, payloads: Payloads | None) -> tuple[str | None, str]:
    if payloads is None:
        return None, "not read: PAYLOAD_BUCKET is not set"
    if pointer.bucket != payloads.bucket:
        return None, f"not read: PAYLOAD_BUCKET is {payloads.bucket}"
    try:
        raw = payloads.get(pointer.key, MAX_PAYLOAD_BYTES)
    except Missing:
        return None, "the object does not exist"
    except FatalError as error:
        return None, f"not read, or it does not exist: {error}"
    if raw is None:
        return None, f"not read: it has more than {MAX_PAYLOAD_BYTES} bytes"
    return raw.decode(errors="replace"), ""
