"""E-mail through SES: version 1 of its API, which emulators have too."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from workers.addresses import sendable
from workers.aws.errors import SDK_ERRORS, translate
from workers.runtime.errors import FatalError, PermanentError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_ses import SESClient

# https://docs.aws.amazon.com/ses/latest/APIReference/API_MessageTag.html
_NOT_IN_A_TAG: Final = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class SesMailer:
    """The port ``Mailer``: plain text from one sender. The SDK may send a mail twice."""

    client: "SESClient"
    sender: str

    def send(self, to: str, subject: str, body: str, *, reference: str) -> None:
        """Send one mail; ``reference`` shows as a tag of that name in the events of SES."""
        to = _as_ses_takes_it(to)
        try:
            self.client.send_email(
                Source=self.sender,
                Destination={"ToAddresses": [to]},
                Message={
                    "Subject": {"Data": subject, "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": body, "Charset": "UTF-8"}},
                },
                Tags=[{"Name": "reference", "Value": _NOT_IN_A_TAG.sub("_", reference)}],
            )
        except SDK_ERRORS as error:
            raise _mail_error(translate(error, "ses"), to) from None


def _as_ses_takes_it(address: str) -> str:
    """Write the domain in Punycode: events of earlier versions carry it as it was typed.

    Raises ``PermanentError`` if that does not make it an address SES takes.
    """
    if address.isascii():
        return address
    try:
        return sendable(address)
    except ValueError:  # its text quotes the address
        reason = "ses: the address is not ASCII, and cannot be written in ASCII; SES takes no other"
        raise PermanentError(reason) from None


def _mail_error(error: Exception, to: str) -> Exception:
    """Keep the address out of logs: SES quotes it in its refusals."""
    text = str(error).replace(to, "(address)")
    if isinstance(error, (FatalError, Unavailable)):
        return Unavailable(text, dependency="ses")
    return type(error)(text)
