"""Credentials that are expired, late or missing are an outage of the credentials."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import botocore.session
import pytest
from botocore.credentials import CredentialResolver, RefreshableCredentials
from botocore.exceptions import (
    CredentialRetrievalError,
    MetadataRetrievalError,
    PartialCredentialsError,
    ProfileNotFound,
)
from support.adapter_calls import EVERY_CALL, Once, dead_letter, delete, recall
from support.stub import serving

from workers.aws.clients import Clients
from workers.aws.credentials import guarded_session
from workers.runtime.errors import FatalError, Unavailable
from workers.runtime.settlement import is_attempt
from workers.settings import Settings

pytestmark = pytest.mark.usefixtures("connected")  # new clients reach the stub

EVERY = pytest.mark.parametrize("call", EVERY_CALL, ids=lambda call: call.__name__)
DONE = json.dumps({"Successful": [{"Id": "0"}], "Failed": []}).encode()


def issued(key="test", *, lasts):
    """Return a document like that of the ECS credentials endpoint; ``lasts`` in seconds."""
    expiry = datetime.now(UTC) + timedelta(seconds=lasts)
    return {
        "access_key": key,
        "secret_key": "test",
        "token": f"token of {key}",
        "expiry_time": expiry.isoformat(),
    }


class Provider:
    """A provider for the SDK's chain whose behaviour the test sets."""

    METHOD = CANONICAL_NAME = "container-role"

    def __init__(self, load):
        self.load = load


def refreshed_by(refresh):
    """Return a provider of expired credentials that ``refresh`` renews."""
    return Provider(
        lambda: RefreshableCredentials.create_from_metadata(
            issued(lasts=-1), refresh_using=refresh, method="container-role"
        )
    )


def clients_with(*providers):
    """Create a process's clients with these sources of credentials."""
    core = botocore.session.Session()
    core.register_component("credential_provider", CredentialResolver(list(providers)))
    return Clients(guarded_session("eu-west-1", core), receive_wait=20, threads=2)


def failing(error):
    def fail():
        raise error

    return fail


ERRORS = [
    CredentialRetrievalError(provider="container-role", error_msg="timed out"),
    MetadataRetrievalError(error_msg="500"),
    PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
    ConnectionResetError("by peer"),
    KeyError("Expiration"),
    ValueError("no date"),
    RuntimeError("anything"),
]
BAD_REFRESHES = pytest.mark.parametrize(
    "refresh",
    [
        pytest.param(lambda: issued(lasts=-1), id="still expired"),
        pytest.param(dict, id="half a document"),
        *(pytest.param(failing(error), id=type(error).__name__) for error in ERRORS),
    ],
)


@EVERY
def test_expired_credentials_are_an_outage_of_the_credentials(stub, call):
    """Case 46."""
    clients = clients_with(refreshed_by(lambda: issued(lasts=-1)))

    with pytest.raises(Unavailable, match="still expired") as raised:
        call(clients)

    assert raised.value.dependency == "credentials"
    assert not is_attempt(raised.value)
    assert stub.requests == []


@BAD_REFRESHES
@pytest.mark.parametrize("call", [delete, recall], ids=lambda call: call.__name__)
def test_any_error_of_a_refresh_is_an_outage_of_the_credentials(call, refresh):
    with pytest.raises(Unavailable) as raised:
        call(clients_with(refreshed_by(refresh)))

    assert raised.value.dependency == "credentials"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", [delete, recall], ids=lambda call: call.__name__)
def test_any_error_of_the_search_is_an_outage_of_the_credentials(call, error):
    with pytest.raises(Unavailable) as raised:
        call(clients_with(Provider(failing(error))))

    assert raised.value.dependency == "credentials"


@BAD_REFRESHES
def test_the_refresh_thread_survives_a_failed_refresh(refresh):
    """Case 46."""
    clients_with(refreshed_by(refresh)).refresh_credentials()


def test_the_refresh_thread_survives_a_failed_search():
    clients_with(Provider(failing(RuntimeError("no")))).refresh_credentials()
    clients_with(Provider(lambda: None)).refresh_credentials()


@pytest.mark.parametrize("call", [delete, recall], ids=lambda call: call.__name__)
def test_a_client_created_without_credentials_finds_them_later(stub, call):
    stub.body, found = DONE, []
    clients = Once(clients_with(Provider(lambda: found[0] if found else None)))
    with pytest.raises(Unavailable) as raised:
        call(clients)
    assert raised.value.dependency == "credentials"

    found.append(botocore.session.Session().get_credentials())

    call(clients)


def test_a_wrong_configuration_is_reported_instead_of_waited_out():
    clients = clients_with(Provider(failing(ProfileNotFound(profile="nobody"))))

    with pytest.raises(FatalError, match="nobody"):
        recall(clients)


def test_an_unrelated_error_is_not_taken_for_an_outage(stub, connected, monkeypatch):
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("workers.aws.wire.orjson.dumps", fail)

    with pytest.raises(RuntimeError, match="a bug"):
        dead_letter(connected)

    assert stub.requests == []


def test_credentials_rotate_during_calls_and_one_bad_refresh_is_survived(stub):
    """Each set lasts for a few calls; the third refresh returns expired credentials."""
    stub.body = DONE
    clock = [datetime.now(UTC)]
    keys = []

    def refresh():
        keys.append(f"key-{len(keys)}")
        stub.secrets[keys[-1]] = "test"
        lasts = -5 if len(keys) == 3 else 20 * 60
        expiry = clock[0] + timedelta(seconds=lasts)
        return issued(keys[-1], lasts=0) | {"expiry_time": expiry.isoformat()}

    rotating = Provider(
        lambda: RefreshableCredentials(
            "first",
            "test",
            "token",
            clock[0] - timedelta(seconds=1),
            refresh,
            "container-role",
            time_fetcher=lambda: clock[0],
        )
    )
    clients = Once(clients_with(rotating))
    ends = []
    for _ in range(20):
        clock[0] += timedelta(minutes=2)
        for call in (delete, recall):
            try:
                call(clients)
                ends.append("done")
            except Unavailable as outage:
                ends.append(outage.dependency)

    assert len(keys) > 4
    assert len(ends) == 40
    assert ends.count("credentials") == 1
    assert ends.count("done") == 39
    assert stub.headers["X-Amz-Security-Token"] == f"token of {keys[-1]}"


@EVERY
@pytest.mark.parametrize(
    "code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"]
)
def test_a_token_that_aws_does_not_know_yet_is_an_outage_of_the_credentials(
    stub, connected, call, code
):
    """AWS answers like this shortly after a rotation, or while the role is broken."""
    stub.status = 400
    stub.told = stub.told | {"x-amzn-query-error": f"{code};Sender"}
    stub.body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "no"}).encode()
    if call.__name__ in ("publish", "mail", "find_topic"):
        stub.body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message>"
            "</Error><RequestId>r</RequestId></ErrorResponse>"
        ).encode()

    with pytest.raises(Unavailable) as raised:
        call(connected)

    assert raised.value.dependency == "credentials"


def test_the_sdks_credential_chain_is_used(environment):
    """It reaches from the environment to the container endpoint, which is used here."""
    with serving() as endpoint, environment.context() as patch:
        patch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{endpoint.url}/v2/credentials")
        endpoint.status, endpoint.body = 500, b"not yet"
        clients = Clients.connect(Settings(), threads=1)
        credentials = clients.session.get_credentials()
        with pytest.raises(CredentialRetrievalError):
            credentials.get_frozen_credentials()

        endpoint.status = 200
        endpoint.body = json.dumps(
            {
                "AccessKeyId": "key",
                "SecretAccessKey": "secret",
                "Token": "token",
                "Expiration": "2100-01-01T00:00:00Z",
            }
        ).encode()

        assert credentials.get_frozen_credentials().access_key == "key"
        assert isinstance(clients.session, boto3.Session)
