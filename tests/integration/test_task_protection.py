"""Scale-in protection is requested from an agent on loopback."""

import json

import pytest

from workers.aws import ecs
from workers.aws.ecs import EcsAgent
from workers.runtime.errors import Unavailable

pytestmark = pytest.mark.integration

AGREED = b'{"protection": {"ProtectionEnabled": true, "TaskArn": "arn"}}'


def test_the_agent_is_asked_to_protect_the_task(stub):
    stub.body = AGREED
    EcsAgent(f"{stub.url}/api/abc").protect(enabled=True, minutes=20)

    ((method, path, body),) = stub.requests
    assert (method, path) == ("PUT", "/api/abc/task-protection/v1/state")
    assert json.loads(body) == {"ProtectionEnabled": True, "ExpiresInMinutes": 20}


def test_the_agent_is_asked_to_stop_protecting(stub):
    stub.body = AGREED
    EcsAgent(stub.url).protect(enabled=False, minutes=20)

    assert json.loads(stub.requests[0][2]) == {"ProtectionEnabled": False}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"failure": {"Reason": "DEPLOYMENT_BLOCKED"}}'),
        (200, b'{"error": {"Code": "AccessDeniedException"}}'),
        (200, b"<html>"),
        (200, b"null"),
        (404, b'{"protection": {}}'),
        (500, b""),
    ],
)
def test_any_other_response_is_an_outage_of_the_agent(stub, status, body):
    stub.status, stub.body = status, body

    with pytest.raises(Unavailable) as raised:
        EcsAgent(stub.url).protect(enabled=True, minutes=20)

    assert raised.value.dependency == "ecs-agent"


def test_an_unreachable_agent_is_an_outage(unreachable_url):
    with pytest.raises(Unavailable):
        EcsAgent(unreachable_url).protect(enabled=True, minutes=20)


def test_a_hung_agent_times_out(stub, monkeypatch):
    monkeypatch.setattr(ecs, "READ_TIMEOUT", 0.1)
    stub.silent = True

    with pytest.raises(Unavailable):
        EcsAgent(stub.url).protect(enabled=True, minutes=20)

    assert len(stub.requests) == 1
