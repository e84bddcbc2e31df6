"""CODEOWNERS gives the code of each service to its owner on the map."""

from pathlib import Path

import pytest

from workers.topology import Topology

ROOT = Path(__file__).parents[2]
LINES = [
    line.split()
    for line in (ROOT / ".github" / "CODEOWNERS").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
OWNERS = dict(LINES)
ORGANISATION = OWNERS["*"].partition("/")[0]
TOPOLOGY = Topology.load()
# The two services without a module in services/.
CODE = {"order-api": "/workers/api/", "relay": "/workers/relay/"}


def test_every_line_names_one_team():
    assert [line for line in LINES if len(line) != 2] == []
    assert {owner.partition("/")[0] for owner in OWNERS.values()} == {ORGANISATION}


@pytest.mark.parametrize("service", sorted(TOPOLOGY.services))
def test_the_owner_of_a_service_reviews_its_code(service):
    path = CODE.get(service, f"/workers/services/{service}.py")

    assert OWNERS[path] == f"{ORGANISATION}/{TOPOLOGY.services[service].owner}"


def test_no_team_reviews_a_service_without_being_an_owner_on_the_map():
    teams = {
        owner.partition("/")[2]
        for path, owner in OWNERS.items()
        if path.startswith(("/workers/services/", *CODE.values()))
    }

    assert teams == {service.owner for service in TOPOLOGY.services.values()}


@pytest.mark.parametrize("path", [path for path in OWNERS if path != "*"])
def test_every_path_exists(path):
    assert (ROOT / path.lstrip("/")).exists()
