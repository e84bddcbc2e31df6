"""Sends email through SES, with version 1 of its API, which emulators support too."""

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
# Texts of a MessageRejected that concern the account or the sender, not one email: an unverified
# identity (in the sandbox it may be the recipient's), or a suspended account.
# https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
_NOT_THE_MAILS_FAULT: Final = re.compile(
    "not verified|identities failed the check|suspended|paused", re.IGNORECASE
)


@dataclass(frozen=True)
class SesMailer:
    """Implements ``Mailer`` with plain text and one sender. The SDK may send an email twice.

    A refusal is permanent only if it concerns this email: an illegal address, a virus. If SES
    refuses the account or the sender, that is an outage of "ses".
    """

    client: "SESClient"
    sender: str

    def send(self, to: str, subject: str, body: str, *, reference: str) -> None:
        """Send one email. SES events show ``reference`` as a tag of that name."""
        to = _ascii_address(to)
        try:
            response = self.client.send_email(
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
        if not response.get("MessageId"):
            raise Unavailable("ses: the email was not confirmed", dependency=DEPENDENCY)


def _ascii_address(address: str) -> str:
    """Convert the domain to Punycode: events of earlier versions contain it as typed.

    Raises ``PermanentError`` if SES does not accept the result.
    """
    if address.isascii():
        return address
    try:
        return sendable(address)
    except ValueError:  # not chained, because its text quotes the address
        reason = "ses: the address cannot be converted to ASCII, which SES requires"
        raise PermanentError(reason) from None


def _mail_error(sdk_error: Exception, to: str) -> Exception:
    """Translate an SDK error, without the address: SES quotes it, in upper or lower case."""
    error = translate(sdk_error, DEPENDENCY)
    text = re.sub(re.escape(to), "(address)", str(error), flags=re.IGNORECASE)
    match error:
        case Unavailable(dependency=dependency):
            return Unavailable(text, dependency=dependency)
        case PermanentError() if not _concerns_all_mail(sdk_error):
            return PermanentError(text)
        case _:
            return Unavailable(text, dependency=DEPENDENCY)


def _concerns_all_mail(error: Exception) -> bool:
    return (
        isinstance(error, ClientError)
        and code_of(error) == "MessageRejected"
        and _NOT_THE_MAILS_FAULT.search(str(error)) is not None
    )
