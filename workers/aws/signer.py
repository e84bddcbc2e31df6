"""Signs requests, and finds where to send them: both as the SDK's client would."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

if TYPE_CHECKING:
    import boto3

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DATE: Final = "X-Amz-Date"
_MOMENT: Final = "%Y%m%dT%H%M%SZ"  # UTC
_DAY: Final = len("YYYYMMDD")


@dataclass(frozen=True, slots=True)
class Scope:
    """The endpoint of a service, a URL without a path, and what its signatures are valid for."""

    endpoint: str
    region: str
    service: str

    @classmethod
    def of(cls, client: Any, method: str) -> Self:
        """Ask the SDK's client, which knows settings, FIPS, dual stack and account endpoints.

        A URL signed ahead has all of it. ``client.meta`` lacks the account's own endpoint of
        DynamoDB, which the SDK uses if the credentials name their account.

        Raises the SDK's errors if there are no credentials.
        """
        url = urlsplit(client.generate_presigned_url(method))
        _, _, region, service, _ = parse_qs(url.query)["X-Amz-Credential"][0].rsplit("/", 4)
        return cls(f"{url.scheme}://{url.netloc}", region, service)


def signed(
    session: "boto3.Session", scope: Scope, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """Return the headers of a POST with its signature, by the newest credentials.

    Raises ``NoCredentialsError``, and what the SDK raises if it cannot get or refresh them.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    keys = credentials.get_frozen_credentials()
    return signed_at(strftime(_MOMENT, gmtime()), keys, scope, headers, body)


def signed_at(
    moment: str, keys: ReadOnlyCredentials, scope: Scope, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """Return the headers of a POST to ``/`` with its signature (version 4) of a moment.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    told = {"Host": scope.endpoint.rpartition("/")[2].rpartition("@")[2], **headers}
    if keys.token:
        told["X-Amz-Security-Token"] = keys.token
    before, after, names = _canonical(tuple(told.items()))
    request = f"{before}{moment}{after}{sha256(body).hexdigest()}"
    day = moment[:_DAY]
    place = f"{day}/{scope.region}/{scope.service}/aws4_request"
    text = f"{_ALGORITHM}\n{moment}\n{place}\n{sha256(request.encode()).hexdigest()}"
    key = signing_key(keys.secret_key, day, scope.region, scope.service)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    told[_DATE] = moment
    told["Authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key}/{place}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return told


@lru_cache(maxsize=64)
def _canonical(headers: tuple[tuple[str, str], ...]) -> tuple[str, str, str]:
    """Return the canonical request before and after its date, and the names of signed headers.

    AWS asks for the host, the content type and all that start with ``x-amz-``. Proxies may change
    others.
    """
    lines = {_DATE.lower(): ""}
    for name, value in headers:
        lower = name.lower()
        if lower in ("host", "content-type") or lower.startswith("x-amz-"):
            lines[lower] = " ".join(value.split())
    names = ";".join(sorted(lines))
    canonical = "".join(f"{name}:{lines[name]}\n" for name in sorted(lines))
    before, date, after = canonical.partition(f"{_DATE.lower()}:")
    return f"POST\n/\n\n{before}{date}", f"{after}\n{names}\n", names


@lru_cache(maxsize=16)
def signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """Derive the key that signs the requests of a day (``YYYYMMDD``) to a service.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
