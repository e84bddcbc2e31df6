"""E-mail through SES: version 1 of its API, which emulators have too."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from workers.addresses import sendable
from workers.aws.errors import SDK_ERRORS, code_of, translate
from workers.runtime.errors import PermanentError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_ses import SESClient

DEPENDENCY: Final = "ses"
# https://docs.aws.amazon.com/ses/latest/APIReference/API_MessageTag.html
_NOT_IN_A_TAG: Final = re.compile(r"[^A-Za-z0-9_-]")
# What SES says, under the code MessageRejected, of an account or of a sender: an identity that is
# not verified, which in the sandbox may be the recipient, or an account that was stopped.
# https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
_NOT_THE_MAILS_FAULT: Final = re.compile(
    "not verified|identities failed the check|suspended|paused", re.IGNORECASE
)


@dataclass(frozen=True)
class SesMailer:
    """The port ``Mailer``: plain text from one sender. The SDK may send a mail twice.

    Only a refusal that is about this mail is the mail's: an illegal address, a virus. What stops
    the account or its sender is an outage of "ses".
    """

    client: "SESClient"
    sender: str

    def send(self, to: str, subject: str, body: str, *, reference: str) -> None:
        """Send one mail; ``reference`` shows as a tag of that name in the events of SES."""
        to = _as_ses_takes_it(to)
        try:
            answer = self.client.send_email(
                Source=self.sender,
                Destination={"ToAddresses": [to]},
                Message={
                    "Subject": {"Data": subject, "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": body, "Charset": "UTF-8"}},
                },
                Tags=[{"Name": "reference", "Value": _NOT_IN_A_TAG.sub("_", reference)}],
            )
        except SDK_ERRORS as error:
            raise _mail_error(error, to) from None
        if not answer.get("MessageId"):
            raise Unavailable("ses: the mail was not confirmed", dependency=DEPENDENCY)


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


def _mail_error(sdk_error: Exception, to: str) -> Exception:
    """Keep the address out of logs: SES quotes it in its refusals, in any case of letters."""
    error = translate(sdk_error, DEPENDENCY)
    text = re.sub(re.escape(to), "(address)", str(error), flags=re.IGNORECASE)
    match error:
        case Unavailable(dependency=dependency):
            return Unavailable(text, dependency=dependency)
        case PermanentError() if not _stops_every_mail(sdk_error):
            return PermanentError(text)
        case _:
            return Unavailable(text, dependency=DEPENDENCY)


def _stops_every_mail(error: Exception) -> bool:
    return (
        isinstance(error, ClientError)
        and code_of(error) == "MessageRejected"
        and _NOT_THE_MAILS_FAULT.search(str(error)) is not None
    )
