"""The wheel and the image contain the production package and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from email.parser import Parser
from zipfile import ZipFile

import pytest

from house.findings import check
from house.rules import ROOT

# The image is built from these and the production package.
BUILD_FILES = {
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "requirements/build.txt",
    "requirements/runtime.txt",
}
IN_IMAGE = BUILD_FILES | {"workers"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (file,) = directory.iterdir()
    with ZipFile(file) as opened:
        yield opened


def test_the_same_commit_gives_the_same_wheel(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    built = []
    for name, modified in {"early": 1_500_000_000, "late": 1_700_000_000}.items():
        checkout = tmp_path / name
        for file in ("LICENSE", "README.md", "pyproject.toml"):
            checkout.mkdir(exist_ok=True)
            shutil.copy(ROOT / file, checkout)
        shutil.copytree(
            ROOT / "workers", checkout / "workers", ignore=shutil.ignore_patterns("__pycache__")
        )
        for path in checkout.rglob("*"):
            os.utime(path, (modified, modified))
            path.chmod(0o700 if path.is_dir() else 0o600 if name == "early" else 0o644)
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
            cwd=checkout,
            check=True,
            capture_output=True,
            timeout=60,
        )
        (file,) = (checkout / "dist").iterdir()
        built.append(file.read_bytes())

    assert built[0] == built[1]


def requirements(wheel, *, extra=None):
    """List the names of the requirements, of an extra or unconditional."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    return {
        re.match(r"[\w.-]+", line)[0].lower()
        for line in metadata.get_all("Requires-Dist")
        if (f"extra == '{extra}'" in line if extra else "extra ==" not in line)
    }


def lines(file):
    """Yield the lines of a file, each with its place."""
    text = (ROOT / file).read_text("utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        yield f"{file}:{number}", line


def test_the_wheel_contains_the_production_package_and_nothing_else(wheel):
    in_wheel = {name for name in wheel.namelist() if ".dist-info/" not in name}
    in_checkout = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "workers").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    where = next(place for place, line in lines("pyproject.toml") if "targets.wheel" in line)
    check(f"{where}: exclude {name} from the wheel" for name in sorted(in_wheel - in_checkout))
    check(f"{where}: include {name} in the wheel" for name in sorted(in_checkout - in_wheel))


def test_the_wheel_requires_nothing_that_only_development_needs(wheel):
    development = requirements(wheel, extra="local") | requirements(wheel, extra="dev")

    assert {"cheroot", "httpx", "moto"} <= development
    unwanted = requirements(wheel) & development
    check(f"pyproject.toml: require {name} in one place only" for name in sorted(unwanted))


def test_the_image_installs_nothing_that_only_development_needs(wheel):
    development = requirements(wheel, extra="local") | requirements(wheel, extra="dev")
    locked = [(place, line.partition("==")[0]) for place, line in lines("requirements/runtime.txt")]

    assert "boto3" in {name for _, name in locked}
    check(f"{place}: remove {name}" for place, name in locked if name in development)


def test_the_image_is_built_from_the_production_package_only():
    copied = [
        (place, source)
        for place, line in lines("Dockerfile")
        if line.startswith(("COPY ", "ADD ")) and "--from" not in line
        for source in line.split()[1:-1]
    ]

    assert {source for _, source in copied} >= IN_IMAGE
    check(f"{place}: do not copy {source}" for place, source in copied if source not in IN_IMAGE)


def test_docker_can_read_nothing_else_of_the_checkout():
    found = [(place, line) for place, line in lines(".dockerignore") if not line.startswith("#")]

    assert found[0][1] == "*"
    let_in = [(place, line[1:]) for place, line in found if line.startswith("!")]
    assert {path for _, path in let_in} >= IN_IMAGE
    check(f"{place}: remove !{path}" for place, path in let_in if path not in IN_IMAGE)
