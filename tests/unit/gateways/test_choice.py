"""The setting and the endpoint choose the payment gateway."""

from types import SimpleNamespace

import pytest

from workers.aws.simulated_gateway import SimulatedGateway
from workers.gateways.choice import payment_gateway
from workers.gateways.stripe import StripeGateway
from workers.runtime.errors import SettingsError
from workers.settings import Settings

KEY = "sk_live_secret"
EMULATORS = ("http://127.0.0.1:4566", "http://localhost.localstack.cloud:4566", "http://aws:80")
AWS = (
    "https://dynamodb.eu-west-1.amazonaws.com",
    "https://dynamodb.cn-north-1.amazonaws.com.cn",
    "https://dynamodb.eu-west-1.api.aws",
    "https://vpce-1-2.dynamodb.eu-west-1.vpce.amazonaws.com",
)


def choose(endpoint, **settings):
    dynamodb = SimpleNamespace(meta=SimpleNamespace(endpoint_url=endpoint))
    return payment_gateway(Settings(**settings), dynamodb, "payment", threads=2)


@pytest.mark.parametrize("endpoint", EMULATORS)
def test_an_emulator_takes_no_money_by_default(endpoint):
    assert isinstance(choose(endpoint), SimulatedGateway)


@pytest.mark.parametrize("endpoint", AWS)
def test_on_aws_a_gateway_must_be_named(endpoint):
    with pytest.raises(SettingsError, match=r"^PAYMENT_GATEWAY: must be set on AWS"):
        choose(endpoint)


@pytest.mark.parametrize("endpoint", AWS)
def test_the_simulation_on_aws_is_allowed_by_name(endpoint):
    assert isinstance(choose(endpoint, payment_gateway="simulated"), SimulatedGateway)


@pytest.mark.parametrize("endpoint", [*AWS, *EMULATORS])
def test_stripe_is_used_anywhere(endpoint):
    gateway = choose(endpoint, payment_gateway="stripe", stripe_api_key=KEY)

    assert isinstance(gateway, StripeGateway)
    assert (gateway.api.url, gateway.api.key) == ("https://api.stripe.com", KEY)


@pytest.mark.parametrize("key", [None, ""])
def test_stripe_needs_a_key(key):
    with pytest.raises(SettingsError, match=r"^STRIPE_API_KEY: must be set"):
        choose(AWS[0], payment_gateway="stripe", stripe_api_key=key)
