"""Corrects moto's SES: wrong response shapes, lost tags, addresses that SES refuses."""

import json
from typing import Any, Final

from moto.ses import models
from moto.ses.models import ConfigurationSet
from moto.sesv2.responses import SESV2Response as Response

from local.aws.patch import Method, wrap

_SPECIAL: Final = frozenset('()<>,;:\\"[]@')  # RFC 822, 3.3, without the dot


def correct() -> None:
    """Apply the corrections of this module."""
    _shape_configuration_sets()
    _find_the_tags_of_an_identity()
    _refuse_illegal_addresses()


def _shape_configuration_sets() -> None:
    """Return SendingEnabled as a boolean, and omit options that are not set.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetConfigurationSet.html
    """

    @wrap(ConfigurationSet, "to_dict_v2")
    def as_document(original: Method, configuration_set: ConfigurationSet) -> dict[str, Any]:
        document: dict[str, Any] = original(configuration_set)
        if isinstance(nested := document["SendingOptions"]["SendingEnabled"], dict):
            document["SendingOptions"] = nested
        return {name: value for name, value in document.items() if value != {}}


def _find_the_tags_of_an_identity() -> None:
    """Return an identity's tags under the ARN that SES gives it: ``identity/example.com``.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html
    """

    @wrap(Response, "list_tags_for_resource")
    def list_tags(original: Method, request: Response) -> str:
        kind, _, name = str(request._get_param("ResourceArn")).rpartition(":")[2].partition("/")  # noqa: SLF001 - moto's reader
        identity = request.sesv2_backend.core_backend.email_identities.get(name)
        if kind != "identity" or identity is None:
            answer: str = original(request)
            return answer
        return json.dumps({"Tags": identity.tags or []})


def _refuse_illegal_addresses() -> None:
    """Refuse what SES refuses, with InvalidParameterValue and SES's text.

    SES checks addresses like JavaMail's ``InternetAddress`` in strict mode, and does not support
    SMTPUTF8. It does accept a display name: that order-api refuses one is our own rule.
    https://docs.aws.amazon.com/ses/latest/APIReference/API_Destination.html
    https://github.com/openstax/accounts/issues/253
    https://github.com/18F/identity-idp/pull/7380
    """

    @wrap(models, "is_valid_address")
    def complaint(original: Method, address: str) -> str | None:
        name, bracket, plain = address.rpartition("<")
        if bracket and address.endswith(">"):
            address = plain[:-1]
            if not _is_name(name.strip()):
                return "Illegal address"
        local, at, domain = address.rpartition("@")
        if not at:
            return "Missing final '@domain'"
        found: str | None = _wrong_local(local) or _wrong_domain(domain) or original(address)
        return found


def _is_name(name: str) -> bool:
    """Tell whether SES accepts a display name: ASCII, in quotes if it has special characters."""
    quoted = name.startswith('"') and name.endswith('"') and len(name) > 1
    return name.isascii() and (quoted or not _SPECIAL.intersection(name))


def _wrong_local(local: str) -> str | None:
    if not local:
        return "Missing local name"
    if local.startswith('"') and local.endswith('"') and local.isascii():
        return None  # quoted: a space and dots are legal
    if any(not "!" <= character <= "~" for character in local):
        return "Local address contains control or whitespace"
    if _SPECIAL.intersection(local):
        return "Local address contains illegal character"
    return _wrong_dots("Local address", local)


def _wrong_domain(domain: str) -> str | None:
    if not domain:
        return "Missing domain"
    if any(character <= " " or character == "\x7f" for character in domain):
        return "Domain contains control or whitespace"
    if not all(c.isascii() and (c.isalnum() or c in "-.") for c in domain.strip("[]")):
        return "Domain contains illegal character"
    return _wrong_dots("Domain", domain)


def _wrong_dots(part: str, text: str) -> str | None:
    if text.startswith("."):
        return f"{part} starts with dot"
    if ".." in text:
        return f"{part} contains dot-dot"
    return f"{part} ends with dot" if text.endswith(".") else None
