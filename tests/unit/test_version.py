"""The version of the code in records."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from workers.version import VERSION, version_of

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"


@pytest.mark.parametrize("revision", [None, "", "unknown"])
def test_code_that_was_not_built_from_a_commit_has_the_version_of_the_package(revision):
    assert version_of(revision) == version("workers")


def test_an_image_has_the_commit_that_it_was_built_from():
    assert version_of("0123456789abcdef0123456789abcdef01234567") == "0123456789ab"


def test_the_image_sets_the_variable_from_its_build_argument():
    lines = DOCKERFILE.read_text("utf-8").splitlines()

    assert lines.index("ENV REVISION=${REVISION}") > lines.index("ARG REVISION=unknown")


def test_the_version_fits_a_row():
    assert re.fullmatch(r"[0-9A-Za-z.+-]{1,40}", VERSION)
