"""The settings decide who may call; mistakes stop the start and say what to set."""

import asyncio

import pytest
from support.stub import serving

from local.issuer import DevelopmentIssuer
from workers.api.callers import EVERYBODY, READ
from workers.api.choice import entrance
from workers.api.problems import Refused
from workers.runtime.errors import SettingsError
from workers.settings import Settings

JWT = {"auth": "jwt", "jwt_issuer": "https://issuer.invalid", "jwt_audience": "orders"}


def test_everybody_may_call_an_emulator():
    found = entrance(Settings(), on_aws=False)

    assert asyncio.run(found.identify(None)) == EVERYBODY
    assert found.loops == {}


def test_on_aws_somebody_has_to_be_asked():
    with pytest.raises(SettingsError, match="AUTH: must be jwt on AWS, with JWT_ISSUER and"):
        entrance(Settings(auth="none"), on_aws=True)


@pytest.mark.parametrize("on_aws", [True, False])
def test_given_keys_need_no_request(on_aws):
    issuer = DevelopmentIssuer(audience="shop")
    settings = Settings(**(JWT | {"jwt_keys": issuer.document(), "jwt_audience": "orders, shop"}))
    found = entrance(settings, on_aws=on_aws)

    caller = asyncio.run(found.identify(f"Bearer {issuer.token('alice', 'orders:read')}"))
    assert (caller.subject, caller.scopes) == ("alice", {READ})
    assert found.loops == {}


def test_keys_are_fetched_at_the_start_and_kept_fresh_by_a_loop():
    issuer = DevelopmentIssuer()
    with serving() as stub:
        stub.body = issuer.document().encode()
        found = entrance(Settings(**JWT, jwt_jwks_url=f"{stub.url}/keys"), on_aws=True)
        assert len(stub.requests) == 1

    token = issuer.token("alice", iss=JWT["jwt_issuer"])
    assert asyncio.run(found.identify(f"Bearer {token}")).subject == "alice"
    assert list(found.loops) == ["keys"]


def test_an_issuer_that_is_down_does_not_stop_the_start():
    with serving() as stub:
        url = stub.url
    found = entrance(Settings(**JWT, jwt_jwks_url=f"{url}/keys"), on_aws=True)

    with pytest.raises(Refused) as refused:
        asyncio.run(found.identify(f"Bearer {DevelopmentIssuer().token('alice')}"))
    assert refused.value.status_code == 503


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jwt_issuer": None}, "JWT_ISSUER: must be an https URL"),
        ({"jwt_issuer": "http://issuer.invalid"}, "JWT_ISSUER: must be an https URL"),
        ({"jwt_audience": ""}, "JWT_AUDIENCE: must be set"),
        ({"jwt_audience": " , "}, "JWT_AUDIENCE: must be set"),
        ({"jwt_keys": "{}"}, "JWT_KEYS: the document has no list of keys"),
        ({"jwt_keys": "no JSON"}, "JWT_KEYS: "),
        ({"jwt_keys": "{}", "jwt_jwks_url": "https://a.invalid"}, "JWT_KEYS: must not be set"),
        ({"jwt_keys": None, "jwt_jwks_url": "http://a.invalid"}, "JWT_JWKS_URL: must be an"),
    ],
)
def test_a_mistake_in_the_settings_stops_the_start(changes, message):
    given = JWT | {"jwt_keys": DevelopmentIssuer().document()} | changes

    with pytest.raises(SettingsError, match=message):
        entrance(Settings(**given), on_aws=False)
