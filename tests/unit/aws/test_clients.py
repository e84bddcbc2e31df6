"""Timeouts, retries and connection pools of the clients."""

import subprocess
import sys
from dataclasses import replace

import boto3
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session

from workers.aws.clients import Clients
from workers.runtime.errors import SettingsError
from workers.settings import Settings


@pytest.fixture
def clients(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return Clients.connect(Settings(aws_region="eu-central-1", stop_timeout=120), threads=16)


def test_a_poll_waits_longer_than_sqs_and_the_sdk_never_repeats_it(clients):
    """Case 28."""
    poll = clients.poll()

    assert poll.connections.read_timeout == 25
    assert poll.pauses == ()


def test_a_delete_is_short_and_may_be_repeated(clients):
    settle = clients.settle()

    assert (settle.connections.connect_timeout, settle.connections.read_timeout) == (2, 5)
    assert len(settle.pauses) == 2


@pytest.mark.parametrize(("name", "patience"), [("poll", (2, 25, 1)), ("settle", (2, 5, 3))])
def test_the_setting_gives_the_receive_loop_clients_of_the_sdk(clients, name, patience):
    config = getattr(replace(clients, transport="boto3"), name)().meta.config

    attempts = config.retries["total_max_attempts"]
    assert (config.connect_timeout, config.read_timeout, attempts) == patience


@pytest.mark.parametrize("value", ["", "crt", "urllib3"])
def test_an_unknown_transport_is_refused_by_the_name_of_the_setting(monkeypatch, value):
    monkeypatch.setenv("AWS_TRANSPORT", value)

    with pytest.raises(SettingsError, match=r"AWS_TRANSPORT: .*'wire' or 'boto3'"):
        Settings.load()


@pytest.mark.parametrize(("name", "module"), [("poll", "wire"), ("dynamodb", "wired")])
def test_a_wire_that_cannot_be_loaded_names_the_setting(clients, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, f"workers.aws.{module}", None)  # its import fails

    with pytest.raises(SettingsError, match=r"AWS_TRANSPORT: .*; AWS_TRANSPORT=boto3 works"):
        getattr(clients, name)()
    getattr(replace(clients, transport="boto3"), name)()


def test_the_sdks_clients_need_no_library_of_the_wire():
    code = "import sys; sys.modules['httptools'] = None; import workers.aws.clients"

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # noqa: S603 - ours


@pytest.mark.parametrize("name", ["poll", "settle"])
def test_the_receive_loop_has_a_connection_for_every_thread(clients, name):
    assert getattr(clients, name)().connections.keep > 16


@pytest.mark.parametrize("service", ["control", "sns", "dynamodb", "ses"])
def test_every_other_call_is_short_and_repeated_by_the_sdk(clients, service):
    config = getattr(clients, service)().meta.config

    assert (config.connect_timeout, config.read_timeout) == (2, 5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


@pytest.mark.parametrize("service", ["control", "sns", "dynamodb", "ses"])
def test_every_client_has_a_connection_for_every_thread(clients, service):
    client = getattr(clients, service)()

    assert client.meta.config.max_pool_connections > 16
    assert client.meta.config.tcp_keepalive
    assert client.meta.region_name == "eu-central-1"


@pytest.mark.parametrize("fails", [False, True])
def test_credentials_are_renewed_ahead_and_a_failure_is_left_to_the_next_call(fails):
    asked = []
    expired = {
        "access_key": "test",
        "secret_key": "test",
        "token": "test",
        "expiry_time": "2020-01-01T00:00:00Z",
    }

    def renew():
        asked.append(1)
        if fails:
            raise CredentialRetrievalError(provider="container-role", error_msg="timed out")
        return expired | {"expiry_time": "2100-01-01T00:00:00Z"}

    inner = Session()
    inner._credentials = RefreshableCredentials.create_from_metadata(  # noqa: SLF001 - there is no public way
        expired, renew, "container-role"
    )
    session = boto3.Session(botocore_session=inner)

    Clients(session, receive_wait=20, threads=1).refresh_credentials()

    assert asked
