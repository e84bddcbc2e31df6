"""Reads requests of the query protocol, and frames its answers.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from bench.standin.refusals import Refused

Form = dict[str, str]
_ID = "7a3c1f7e-0000-5000-8000-000000000000"
# The services that speak this protocol, by the version of their API.
_SERVICES = {"2010-03-31": "SNS", "2010-12-01": "SES", "2011-06-15": "STS"}


def form_of(body: bytes) -> Form:
    """Parse the body of a request."""
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def service_of(form: Form) -> str:
    """Return the service that a request is for."""
    return _SERVICES.get(form.get("Version", ""), "SNS")


def entries(form: Form, prefix: str) -> list[str]:
    """Return the prefixes of the fields of each member of a list or map."""
    found: list[str] = []
    starts = [f"{prefix}.{{}}.{name}" for name in ("Id", "Name", "key")]
    while any(start.format(len(found) + 1) in form for start in starts):
        found.append(f"{prefix}.{len(found) + 1}")
    return found


def pairs(form: Form, prefix: str) -> dict[str, str]:
    """Return a map of texts."""
    return {form[f"{each}.key"]: form[f"{each}.value"] for each in entries(form, prefix)}


def answer(action: str, result: str) -> bytes:
    """Frame the result of an action."""
    return (
        f"<{action}Response><{action}Result>{result}</{action}Result>"
        f"<ResponseMetadata><RequestId>{_ID}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()


def refusal(error: Refused) -> bytes:
    """Frame an error."""
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{error.code}</Code>"
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{_ID}</RequestId>"
        "</ErrorResponse>"
    ).encode()
