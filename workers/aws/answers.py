"""Refuses responses that are cut short, or that something other than AWS sent."""

from typing import Any, Final

from botocore.exceptions import ConnectionClosedError
from botocore.parsers import ResponseParserError

OK: Final = 200
# In every response from AWS, errors included.
REQUEST_ID: Final = "x-amzn-requestid"


def refuse_truncated(response_dict: Any, operation_model: Any, **_: object) -> None:
    """Raise if the connection broke: the SDK treats a response that it cannot parse as empty.

    It turns off urllib3's length check (``enforce_content_length`` in botocore.httpsession), so a
    truncated document would count as absent.
    """
    promised = response_dict["headers"].get("content-length")
    if promised is not None and int(promised) != len(response_dict["body"]):
        raise ConnectionClosedError(endpoint_url=f"{operation_model.name}, truncated")


def refuse_foreign(response_dict: Any, operation_model: Any, **_: object) -> None:
    """Raise for a success without an AWS request ID: something else answered, such as a proxy.

    To the SDK an empty page means "published", or "no such document".
    """
    if response_dict["status_code"] != OK or REQUEST_ID in response_dict["headers"]:
        return
    if b"<RequestId>" not in response_dict["body"]:  # LocalStack puts it here for SNS and SES
        raise ResponseParserError(f"{operation_model.name}: the response is not from AWS")
