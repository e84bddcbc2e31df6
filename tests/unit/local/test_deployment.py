"""The simulation scales as Terraform configures it."""

import re
from pathlib import Path

import pytest

from local.capacity import deployment, tfvars
from local.capacity.deployment import Capacity, Deployment

TERRAFORM = Path(__file__).parents[3] / "terraform"


def text(name):
    return (TERRAFORM / name).read_text("utf-8")


def number(name, pattern):
    """Return the number that a pattern finds in a file of Terraform."""
    return float(re.search(pattern, text(name))[1])


def test_cooldowns_and_targets_are_those_of_terraform():
    scaling = "modules/service/scaling.tf"

    assert number(scaling, r"scale_out_cooldown = (\d+)") == deployment.SCALE_OUT_COOLDOWN
    assert number(scaling, r"processor_target +=\s*(\d+)") == deployment.CPU_TARGET
    assert number("locals.tf", r"stop_timeout = (\d+)") == deployment.STOP_TIMEOUT
    assert "scale_in_cooldown  = max(300, 2 * var.stop_timeout)" in text(scaling)
    assert max(300, 2 * deployment.STOP_TIMEOUT) == deployment.SCALE_IN_COOLDOWN


def test_the_target_is_the_backlog_of_the_acceptable_latency():
    latency, slots, duration = (
        "var.capacity.acceptable_latency",
        "var.queue.concurrency",
        "var.capacity.handling_ms",
    )

    assert f"{latency} * 1000 * {slots} / {duration}" in text("modules/service/scaling.tf")
    assert Capacity(acceptable_latency=10, handling_ms=400).target_backlog(10) == 250
    assert Capacity(acceptable_latency=1, handling_ms=60_000).target_backlog(10) == 1


@pytest.mark.parametrize(
    "field",
    ["cpu", "memory", "max", "acceptable_latency", "handling_ms", "spot_share", "desired", "min"],
)
def test_defaults_are_those_of_terraform(field):
    default = number("topology.tf", rf"\n\s+{field} += try\(.*, ([\d.]+)\)\n")

    assert getattr(Capacity(), field) == default


def test_the_default_of_api_rate_is_that_of_terraform():
    assert number("variables.tf", r'variable "api_rate" \{[^}]*?default += (\d+)') == (
        deployment.API_RATE
    )


def test_an_environment_is_read_with_its_overrides():
    prod = Deployment.load("prod")

    assert prod.api_rate == 1000
    assert prod.services["payment"] == Capacity(
        512, 1024, desired=100, min=10, max=200, acceptable_latency=10, handling_ms=400
    )
    assert Deployment.load("dev").services["payment"] == Capacity()


def test_an_unknown_environment_is_refused_with_a_list_of_known_ones():
    with pytest.raises(ValueError, match="known: dev, prod, staging"):
        Deployment.load("moon")


def test_values_of_terraform_are_read(tmp_path):
    file = tmp_path / "a.tfvars"
    file.write_text(
        '# a comment\nname = "x # y"\nlist = ["a", 2.5, ] # more\nempty = {}\n'
        'nested = { "a" = { b = true, c = null } d = -1 }\n'
    )

    assert tfvars.read(file) == {
        "name": "x # y",
        "list": ["a", 2.5],
        "empty": {},
        "nested": {"a": {"b": True, "c": None}, "d": -1},
    }


@pytest.mark.parametrize("wrong", ["a = ", "a 1", "a = {", 'a = "', "a = (1)", "= 1", "a = [1"])
def test_what_cannot_be_read_is_refused(tmp_path, wrong):
    file = tmp_path / "a.tfvars"
    file.write_text(wrong)

    with pytest.raises(ValueError, match=r"cannot read|expected|could not convert|invalid literal"):
        tfvars.read(file)
