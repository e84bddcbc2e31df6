"""Real clients that never reach a network, and some that reach a stub on loopback."""

import os

import boto3
import pytest
from botocore.loaders import create_loader
from botocore.stub import Stubber
from support.adapter_calls import Once
from support.stub import serving

from workers.aws.clients import Clients
from workers.settings import Settings

MODELS = create_loader()  # of the SDK; otherwise each session reads them again
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@pytest.fixture(scope="session")
def session():
    return boto3.Session("test", "test", region_name="eu-west-1")


@pytest.fixture
def stubbed(session):
    """Return a client and its Stubber; every expected call must be made."""
    stubbers = []

    def make(service):
        client = session.client(service)
        stubber = Stubber(client)
        stubber.activate()
        stubbers.append(stubber)
        return client, stubber

    yield make
    for stubber in stubbers:
        stubber.assert_no_pending_responses()


@pytest.fixture(scope="module")
def environment():
    """Clear every variable that the SDK reads, and set credentials for the stub."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setattr("botocore.session.create_loader", lambda *_: MODELS)
        yield patch


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


@pytest.fixture
def stub(server):
    server.reset()
    return server


@pytest.fixture(scope="module")
def clients_of_the_stub(server, environment):
    """Make them once: the SDK takes longer for that than any test here."""
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    return Once(Clients.connect(Settings(), threads=4))


@pytest.fixture
def connected(stub, clients_of_the_stub):
    """Clients that talk to the stub."""
    assert stub
    return clients_of_the_stub
