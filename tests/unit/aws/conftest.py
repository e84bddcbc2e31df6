"""Real clients that never reach a network."""

import boto3
import pytest
from botocore.stub import Stubber


@pytest.fixture(scope="session")
def session():
    return boto3.Session("test", "test", region_name="eu-west-1")


@pytest.fixture
def stubbed(session):
    """Give a client and its Stubber; every expected call must be made."""
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
