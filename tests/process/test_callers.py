"""order-api as a process, with tokens of an issuer that it asks for its keys."""

import json
import os
import sys

import httpx
import pytest
from support.eventually import eventually
from support.order_api import ORDER
from support.real_process import PATIENCE
from support.stub import serving

from local.issuer import DevelopmentIssuer
from local.ports import release_port, reserve_port
from workers.api.issuer import CONFIGURATION

pytestmark = pytest.mark.process

WRONG_SETTING = 2
COMMAND = (sys.executable, "-m", "workers", "run", "order-api")


@pytest.fixture
def environment(aws, provisioned):
    port = reserve_port()
    yield aws.environment(os.environ) | {
        "METRICS_PORT": "0",
        "NAME_PREFIX": provisioned.name_prefix,
        "PORT": str(port),
        "STOP_TIMEOUT": "6",
    }
    release_port(port)


def test_tokens_count_as_long_as_keys_were_read_once(environment, start):
    with serving() as stub:
        issuer = DevelopmentIssuer(stub.url)
        configuration = {"issuer": stub.url, "jwks_uri": f"{stub.url}/keys"}
        stub.bodies = {CONFIGURATION: json.dumps(configuration).encode()}
        stub.body = issuer.document().encode()
        asks = {"AUTH": "jwt", "JWT_ISSUER": stub.url, "JWT_AUDIENCE": "orders"}
        api = start(COMMAND, environment | asks)
        eventually(lambda: api.ready or not api.running, PATIENCE)
        asked = len(stub.requests)
    assert asked == 2

    alice = {"Authorization": f"Bearer {issuer.token('alice', 'orders:write', 'orders:read')}"}
    mallory = {"Authorization": f"Bearer {issuer.token('mallory', 'orders:read')}"}
    forged = {"Authorization": f"Bearer {DevelopmentIssuer(issuer.issuer).token('alice')}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{environment['PORT']}") as http:
        placed = http.post("/orders", json=ORDER, headers=alice)
        order = placed.headers["Location"]

        assert placed.status_code == 202
        assert http.get(order, headers=alice).status_code == 200
        assert http.get(order, headers=mallory).status_code == 404
        assert http.post("/orders", json=ORDER, headers=mallory).status_code == 403
        assert http.post(f"{order}/refund", headers=alice).status_code == 403
        assert http.get(order, headers=forged).status_code == 401
        assert http.get(order).status_code == 401
        assert http.get("/healthz").status_code == 200
        assert http.get("/docs").status_code == 401
    told = f"{api.lines()}{api.stderr}"
    assert not [word for word in ("alice", "mallory", "eyJ") if word in told]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"AWS_ENDPOINT_URL_DYNAMODB": "https://dynamodb.eu-west-1.amazonaws.com"},
            "AUTH: must be jwt on AWS",
        ),
        ({"AUTH": "jwt"}, "JWT_ISSUER: must be an https URL"),
        ({"AUTH": "none of them"}, "AUTH: Input should be 'none' or 'jwt'"),
    ],
)
def test_order_api_does_not_start_open_to_everybody_by_accident(
    environment, start, changes, message
):
    names = {"TABLE_NAME": "orders", "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:events"}

    api = start(COMMAND, environment | names | changes)

    assert api.ends() == WRONG_SETTING
    assert message in f"{api.lines()}{api.stderr}"
