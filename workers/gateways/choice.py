"""Chooses the payment gateway: the setting ``PAYMENT_GATEWAY``."""

from typing import TYPE_CHECKING

from workers.aws.payment_ledger import PaymentLedger
from workers.aws.provisioning import is_aws
from workers.aws.simulated_gateway import SimulatedGateway
from workers.gateways.stripe import StripeGateway
from workers.gateways.stripe_api import StripeApi
from workers.runtime.errors import SettingsError
from workers.services.payment import PaymentGateway
from workers.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def payment_gateway(
    settings: Settings, dynamodb: "DynamoDBClient", table: str, *, threads: int
) -> PaymentGateway:
    """Build the gateway for ``threads`` threads that charge at once; ``table`` is payment's.

    Raises ``SettingsError`` if Stripe has no key, or if no gateway is named on AWS: orders there
    must not be confirmed by accident without taking money.
    """
    match settings.payment_gateway:
        case "stripe":
            if settings.stripe_api_key is None or not settings.stripe_api_key.get_secret_value():
                raise SettingsError("STRIPE_API_KEY: must be set for PAYMENT_GATEWAY=stripe")
            api = StripeApi.connect(
                settings.stripe_api_url,
                settings.stripe_api_key.get_secret_value(),
                connections=threads,
            )
            return StripeGateway(api, PaymentLedger(dynamodb, table))
        case None if is_aws(dynamodb.meta.endpoint_url):
            raise SettingsError(
                "PAYMENT_GATEWAY: must be set on AWS: stripe, or simulated to take no money"
            )
        case _:
            return SimulatedGateway(dynamodb, table)
