"""`make image`, with stand-ins for the programs that need AWS and Docker."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = "sha256:" + "0" * 64
# Each writes its arguments to the log. The registry has the image once something has pushed it.
AWS = f"""#!/bin/sh
echo "aws $*" >>log
case "$*" in
  *describe-repositories*) echo {REGISTRY}/order-pipeline ;;
  *get-login-password*) echo password ;;
  *describe-images*) [ -e pushed ] && echo {DIGEST} ;;
esac
"""
DOCKER = """#!/bin/sh
echo "docker $*" >>log
case "$*" in login*) cat >/dev/null ;; *--push*) touch pushed ;; esac
"""


@pytest.fixture
def registry(tmp_path):
    """Return a directory with the stand-ins."""
    for name, script in {"aws": AWS, "docker": DOCKER}.items():
        (tmp_path / name).write_text(script, "utf-8")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def make_image(registry):
    """Run the target; return its output and the calls of Docker."""
    # Under `make test`, this make would take itself for a part of that one and say so.
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: text for name, text in os.environ.items() if name not in outer}
    done = subprocess.run(  # noqa: S603 - our own Makefile
        [shutil.which("make"), f"--makefile={ROOT / 'Makefile'}", "image", "TAG=0123abc"],
        cwd=registry,
        env=environment | {"PATH": f"{registry}:{os.environ['PATH']}", "GITHUB_OUTPUT": "output"},
        capture_output=True,
        text=True,
        check=True,
    )
    calls = (registry / "log").read_text("utf-8").splitlines()
    return done.stdout, [each for each in calls if each.startswith("docker ")]


def test_an_image_is_built_pushed_and_reported_by_digest(registry):
    said, [login, build] = make_image(registry)

    assert login == f"docker login --username AWS --password-stdin {REGISTRY}"
    assert f"--tag {REGISTRY}/order-pipeline:0123abc --push" in build
    assert said == f"digest={DIGEST}\nreference={REGISTRY}/order-pipeline@{DIGEST}\n"
    assert (registry / "output").read_text("utf-8") == said


def test_an_image_is_built_for_the_processor_that_tasks_run_on(registry):
    variables = (ROOT / "terraform" / "variables.tf").read_text("utf-8")
    [architecture] = re.findall(r'"cpu_architecture" \{[^}]*default += "(\w+)"', variables)

    _, [_, build] = make_image(registry)

    assert f"--platform linux/{architecture.lower()} " in build


def test_an_image_that_was_pushed_is_not_built_again_but_the_next_steps_can_read_it(registry):
    (registry / "pushed").touch()

    said, [login] = make_image(registry)

    assert login.startswith("docker login ")
    assert f"digest={DIGEST}\n" in said
