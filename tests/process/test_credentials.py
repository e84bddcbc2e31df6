"""A worker survives credentials that rotate and that are invalid for a while."""

import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from support.eventually import eventually
from support.stub import serving

pytestmark = pytest.mark.process

PATIENCE = 30  # s
RUN = (sys.executable, "-m", "workers", "run", "payment")


class Endpoint:
    """The credentials endpoint of ECS, for one worker."""

    def __init__(self, stub, environment):
        self._stub = stub
        self._keys = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        own = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
        self.environment = {n: v for n, v in environment.items() if n not in own} | {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{stub.url}/v2/credentials"
        }

    @property
    def asked(self):
        return len(self._stub.requests)

    def hands_out(self, *, lasting):
        """Serve credentials that last this many seconds; below 600 the SDK renews at every call."""
        key, secret = self._keys
        self._stub.body = json.dumps(
            {
                "AccessKeyId": key,
                "SecretAccessKey": secret,
                "Token": f"token-{lasting}",
                "Expiration": (datetime.now(UTC) + timedelta(seconds=lasting)).isoformat(),
            }
        ).encode()


@pytest.fixture
def endpoint(world):
    with serving() as stub:
        yield Endpoint(stub, world.environment)


def test_a_worker_waits_for_valid_credentials(endpoint, start):
    endpoint.hands_out(lasting=-5)
    worker = start(RUN, endpoint.environment)
    worker.says("aws.unreachable")
    assert "still expired" in worker.lines("aws.unreachable")[0]["reason"]
    assert worker.lives

    endpoint.hands_out(lasting=3_600)
    eventually(lambda: worker.ready, PATIENCE)


def test_credentials_that_rotate_constantly_and_are_invalid_for_a_while(
    world, endpoint, start, obedient
):
    endpoint.hands_out(lasting=300)
    worker = start(obedient, endpoint.environment | {"VISIBILITY_TIMEOUT": "5"})
    world.send(*(f"quick-{number}" for number in range(10)))
    worker.says("message.settled", times=10, outcome="handled")
    renewed = endpoint.asked
    assert renewed > 10  # before every call

    world.send("wait-1")
    worker.says("handler.started", orderId="wait-1")
    endpoint.hands_out(lasting=-5)
    world.send(*(f"quick-{number}" for number in range(10, 20)))
    world.open_gate("wait-1")
    eventually(lambda: not worker.ready, PATIENCE)
    assert worker.lives

    endpoint.hands_out(lasting=300)
    for number in range(10, 20):
        eventually(lambda order=f"quick-{number}": world.effects(order) == 1, PATIENCE)
    eventually(lambda: world.effects("wait-1") == 1, PATIENCE)
    eventually(lambda: worker.ready, PATIENCE)
    assert worker.lives
    assert world.dead == 0
    assert worker.lines("message.settled", outcome="dead_lettered") == []
    assert all(line.get("attempts", 0) == 0 for line in worker.lines("message.settled"))
