"""`make base` pins the base image, and `make audit-base` refuses one that is not pinned."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local.audit import pins

ROOT = Path(__file__).parents[2]
FILES = ("Dockerfile", "docker-compose.yml", ".env.example")
FIRST, SECOND = "sha256:" + "1" * 64, "sha256:" + "2" * 64
IMAGE = "python:3.13-slim-trixie"
DOCKER = f"""#!/bin/sh
[ "$*" = "buildx imagetools inspect --format {{{{.Manifest.Digest}}}} {IMAGE}" ] && cat digest
"""


@pytest.fixture
def checkout(tmp_path):
    """Return a directory with the files that name the base image, and a stand-in for Docker."""
    for name in FILES:
        text = (ROOT / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace(pinned_base(text), IMAGE), "utf-8")
    (tmp_path / "docker").write_text(DOCKER, "utf-8")
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "digest").write_text(FIRST, "utf-8")
    return tmp_path


def pinned_base(text):
    """Return the base image as the text writes it: with or without a digest."""
    start = text.index(IMAGE)
    return IMAGE + (text[start + len(IMAGE) :][:72] if text[start:].startswith(f"{IMAGE}@") else "")


def make(folder, target):
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: text for name, text in os.environ.items() if name not in outer}
    return subprocess.run(  # noqa: S603 - our own Makefile
        [shutil.which("make"), f"--makefile={ROOT / 'Makefile'}", target],
        cwd=folder,
        env=environment | {"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_release_with_a_base_image_that_can_change_is_refused(checkout):
    refused = make(checkout, "audit-base")

    assert refused.returncode != 0
    assert "make base" in refused.stderr


def test_the_base_image_is_pinned_everywhere_and_a_later_digest_replaces_it(checkout):
    for digest in (FIRST, SECOND):
        (checkout / "digest").write_text(digest, "utf-8")
        assert make(checkout, "base").returncode == 0
        assert make(checkout, "audit-base").returncode == 0
        for name in FILES:
            text = (checkout / name).read_text("utf-8")
            assert text.count(f"{IMAGE}@{digest}") == text.count(IMAGE) == 1


def test_without_an_answer_of_the_registry_nothing_changes(checkout):
    (checkout / "digest").unlink()
    before = [(checkout / name).read_text("utf-8") for name in FILES]

    assert make(checkout, "base").returncode != 0
    assert [(checkout / name).read_text("utf-8") for name in FILES] == before


def test_every_stage_of_the_image_is_built_on_the_one_base():
    stages = [
        line.split()[1]
        for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
        if line.startswith("FROM ")
    ]

    assert set(stages) == {"${PYTHON_IMAGE}"}


def test_the_image_installs_only_files_whose_hashes_are_known():
    assert list(pins.unhashed_installs((ROOT / "Dockerfile").read_text("utf-8"))) == []
