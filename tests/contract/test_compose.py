"""The compose file agrees with the map, the settings, .env.example and the Dockerfile."""

import re
from pathlib import Path

import pytest
import yaml

from workers.settings import Settings
from workers.topology import Topology

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE = yaml.safe_load(TEXT)  # merges anchors and leaves variables unexpanded
SERVICES = COMPOSE["services"]
OF_THE_MAP = set(Topology.load().services)
OURS = {name: s for name, s in SERVICES.items() if s.get("image", "").startswith("${IMAGE")}


def variables(text):
    """Return the defaults of ``${NAME:-default}`` by name."""
    return dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))


def test_every_service_in_the_map_is_started_by_name():
    assert {n: SERVICES[n]["command"] for n in OF_THE_MAP} == {n: [n] for n in OF_THE_MAP}


def test_one_service_builds_the_image_and_the_others_use_it():
    assert [name for name, service in OURS.items() if "build" in service] == ["provision"]
    pulled = {name for name, service in OURS.items() if service["pull_policy"] != "never"}
    assert pulled == {"provision"}


@pytest.mark.parametrize("name", sorted({*OURS, "prometheus", "grafana"}))
def test_a_container_has_few_privileges(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]


@pytest.mark.parametrize("name", sorted(OURS.keys() - {"provision"}))
def test_the_grace_period_exceeds_the_stop_timeout(name):
    service = SERVICES[name]
    stop_timeout = service["environment"]["STOP_TIMEOUT"]
    assert int(service["stop_grace_period"].rstrip("s")) > stop_timeout
    # An idle worker waits for its poll; the whole system must stop within ten seconds.
    assert Settings(stop_timeout=stop_timeout).receive_wait <= 4


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_of_a_container_is_a_setting(name):
    told = {variable.lower() for variable in OURS[name]["environment"]}
    assert {v for v in told if not v.startswith("aws_")} <= set(Settings.model_fields)


def test_ports_are_on_loopback_and_can_be_changed():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    for port in ports:
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+", port)


def test_every_variable_is_documented_with_its_default():
    documented = re.findall(
        r"^#(\w+)=(.*)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE
    )
    assert dict(documented) == variables(TEXT)


def test_docker_build_and_compose_use_the_same_python():
    (default,) = re.findall(
        r"^ARG PYTHON_IMAGE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert variables(TEXT)["PYTHON_IMAGE"] == default


def test_prometheus_scrapes_every_replica_of_every_service():
    config = yaml.safe_load((ROOT / "docker/prometheus/prometheus.yml").read_text("utf-8"))
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    assert set(found["names"]) == OURS.keys() - {"provision"}
    assert (found["type"], found["port"]) == ("A", Settings().metrics_port)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_mounted_file_exists(name):
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).exists()
