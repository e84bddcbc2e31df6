"""E-mail addresses in the one form that can be sent to: ASCII, the domain in Punycode.

Amazon SES does not speak SMTPUTF8 (RFC 6531): an address has to be 7-bit ASCII, a domain with
other letters has to be written in Punycode, and for the part before the @ there is no such way.
https://docs.aws.amazon.com/ses/latest/APIReference/API_Destination.html
"""

from typing import Final

from email_validator import EmailNotValidError, validate_email

_PUNYCODE: Final = "xn--"  # RFC 5890, 2.3.2.1: how such a label begins


def sendable(address: str) -> str:
    """Check an address and give it in ASCII. The domain follows IDNA 2008, after UTS 46.

    Raises ``ValueError`` with a text for whoever typed it; the text may quote characters of the
    address. Refused are letters outside ASCII before the @, display names (``Ada <a@b.org>``),
    quoted local parts and IP addresses.
    """
    try:
        checked = validate_email(
            address,
            allow_display_name=False,
            allow_smtputf8=False,
            check_deliverability=False,
        )
    except EmailNotValidError as error:
        raise ValueError(f"not an address that mail can be sent to: {error}") from None
    # Never None without SMTPUTF8; the library's type cannot say so.
    return checked.ascii_email or checked.normalized


def readable(address: str) -> str:
    """Give a ``sendable`` address with its domain in the letters of its language."""
    if _PUNYCODE not in address:
        return address
    return validate_email(address, check_deliverability=False).normalized
