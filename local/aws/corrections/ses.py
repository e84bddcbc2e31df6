"""Corrects moto's SES: wrong response shapes, lost tags, addresses that SES refuses."""

import json
from typing import Any

from moto.ses import models
from moto.ses.models import ConfigurationSet
from moto.sesv2.responses import SESV2Response as Response

from local.aws.patch import Method, wrap


def correct() -> None:
    """Apply the corrections of this module."""
    _shape_configuration_sets()
    _find_the_tags_of_an_identity()
    _refuse_addresses_outside_ascii()


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


def _refuse_addresses_outside_ascii() -> None:
    """Refuse a non-ASCII address with InvalidParameterValue: SES does not support SMTPUTF8.

    https://docs.aws.amazon.com/ses/latest/APIReference/API_Destination.html
    """

    @wrap(models, "is_valid_address")
    def complaint(original: Method, address: str) -> str | None:
        local, _, domain = address.rpartition("@")
        if not local.isascii():
            return "Local address contains control or whitespace"
        if not domain.isascii():
            return "Domain contains control or whitespace"
        found: str | None = original(address)
        return found
