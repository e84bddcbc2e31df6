"""Converts email addresses to the form that mail can be sent to: ASCII, the domain in Punycode.

Amazon SES does not support SMTPUTF8 (RFC 6531): addresses must be 7-bit ASCII. A domain with
other characters can be written in Punycode; the part before the @ cannot.
https://docs.aws.amazon.com/ses/latest/APIReference/API_Destination.html
"""

from typing import Final

from email_validator import EmailNotValidError, validate_email

_PUNYCODE: Final = "xn--"  # prefix of a Punycode label; RFC 5890, 2.3.2.1

# Stands for the address of a customer whose data was erased. No real address ends in .invalid
# (RFC 6761, 6.4), and ``sendable`` refuses it: nobody can place an order with it.
ERASED: Final = "erased@erased.invalid"


def sendable(address: str) -> str:
    """Validate an address and return it in ASCII. The domain follows IDNA 2008, after UTS 46.

    Raises ``ValueError`` with a message for the person who typed it; the message may quote
    characters of the address. Rejects non-ASCII characters before the @, display names
    (``Ada <a@b.org>``), quoted local parts and IP addresses.
    """
    try:
        checked = validate_email(
            address,
            allow_display_name=False,
            allow_smtputf8=False,
            check_deliverability=False,
        )
    except EmailNotValidError as error:
        raise ValueError(f"email cannot be sent to this address: {error}") from None
    # Without SMTPUTF8, ascii_email is never None, but its type allows it.
    return checked.ascii_email or checked.normalized


def readable(address: str) -> str:
    """Return a ``sendable`` address with its domain in Unicode."""
    if _PUNYCODE not in address:
        return address
    return validate_email(address, check_deliverability=False).normalized
