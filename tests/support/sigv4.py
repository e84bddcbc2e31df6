"""Verifies a version 4 signature like AWS: from the received bytes and the secret.

It does not use the SDK, which created the signature.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from urllib.parse import quote, urlsplit

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), "
    r"SignedHeaders=(?P<headers>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)
# The signature must cover these headers, or they could be changed in transit.
COVERED = {"content-type", "host", "x-amz-date"}


def is_signed(method, target, headers, body, secrets):
    """Return whether a request is signed with one of ``secrets`` (access key -> secret key)."""
    match = AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    if not match or match["key"] not in secrets:
        return False
    covered = match["headers"].split(";")
    required = COVERED | {name.lower() for name in headers if name.lower().startswith("x-amz-")}
    if not required <= set(covered):
        return False
    url = urlsplit(target)
    canonical = "\n".join(
        [
            method,
            quote(url.path or "/", safe="/-_.~%"),
            "&".join(sorted(url.query.split("&"))) if url.query else "",
            *(f"{name}:{' '.join(headers[name].split())}" for name in covered),
            "",
            match["headers"],
            _sha256(body),
        ]
    )
    date, region, service, end = match["scope"].split("/")
    key = f"AWS4{secrets[match['key']]}".encode()
    for part in (date, region, service, end):
        key = hmac.digest(key, part.encode(), "sha256")
    told = ["AWS4-HMAC-SHA256", headers["X-Amz-Date"], match["scope"], _sha256(canonical.encode())]
    right = hmac.new(key, "\n".join(told).encode(), "sha256").hexdigest()
    return hmac.compare_digest(right, match["signature"])


def _sha256(data):
    return hashlib.sha256(data).hexdigest()
