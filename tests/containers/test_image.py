"""The image is small, contains only what production needs, and reports errors clearly."""

import json
import re
import shutil

import pytest
from support.composed import ROOT, SERVICES, docker

MAX_BYTES = 195_000_000  # cryptography, which verifies tokens, takes 16 MB
MAX_OWN_BYTES = 80_000_000


def base_image():
    """Return the base image of the Dockerfile, with its digest if it has one."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    return re.search(r"^ARG PYTHON_IMAGE=(\S+)$", text, re.MULTILINE)[1]


@pytest.fixture(scope="session")
def inspected(image):
    return json.loads(docker("image", "inspect", image).stdout)[0]


@pytest.fixture
def inside(image):
    """Run a program in the image instead of a service; return its output."""

    def inside(program, *arguments, **named):
        entry = f"--entrypoint={program}"
        return docker(
            "run", "--rm", "--read-only", "--network=none", entry, image, *arguments, **named
        )

    return inside


def test_the_image_is_small(inspected):
    base = json.loads(docker("image", "inspect", base_image()).stdout)[0]
    assert inspected["Size"] <= MAX_BYTES
    assert inspected["Size"] - base["Size"] <= MAX_OWN_BYTES


def test_services_run_as_an_unprivileged_user(inspected):
    config = inspected["Config"]
    assert config["Entrypoint"] == ["workers", "run"]
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "workers", "healthcheck"]
    assert (config["User"], config["StopSignal"]) == ("10001:10001", "SIGTERM")


def test_the_image_is_labelled_with_its_revision(inspected):
    assert inspected["Config"]["Labels"]["org.opencontainers.image.revision"]


@pytest.mark.parametrize("package", ["moto", "cheroot", "httpx", "pytest", "hatchling", "uv"])
def test_the_image_has_no_test_or_build_dependencies(inside, package):
    looked_for = f"import importlib.util as u; print(u.find_spec({package!r}))"
    assert inside("python", "-c", looked_for).stdout.strip() == "None"


def test_the_image_has_no_compiler_no_cache_and_no_source_tree(inside):
    for program in ("gcc", "cc", "make", "git"):
        assert inside("which", program, check=False).returncode != 0
    for folder in ("/root/.cache", "/src", "/dependencies", "/code", "/tests"):
        assert inside("ls", folder, check=False).returncode != 0


def test_the_image_history_shows_no_secret(image):
    history = docker("history", "--no-trunc", "--format={{.CreatedBy}}", image).stdout.lower()
    for word in ("secret", "token", "password", "aws_access", "index_url"):
        assert word not in history.partition('cmd ["python3"]')[0]


def test_no_module_is_compiled_at_the_start(inside):
    loaded = (
        "import sys, pathlib, workers.cli, workers.bootstrap\n"
        "found = [m.__spec__ for m in list(sys.modules.values()) if getattr(m, '__spec__', None)]\n"
        "print([s.name for s in found if s.has_location and s.cached and s.origin.endswith('.py')"
        " and not pathlib.Path(s.cached).exists() and 'site-packages' in s.origin])"
    )
    assert inside("python", "-c", loaded).stdout.strip() == "[]"


def test_every_aws_client_can_be_created(inside):
    made = (
        "from workers.aws.clients import Clients\n"
        "from workers.settings import Settings\n"
        "clients = Clients.connect(Settings(), threads=1)\n"
        "for make in (clients.control, clients.sns, clients.dynamodb, clients.ses): make()\n"
        "for name in ('sts', 'sso', 'sso-oidc', 'signin'): clients.session.client(name)\n"
    )
    inside("python", "-c", made)


def test_a_code_change_reuses_the_layer_of_dependencies(image, tmp_path):
    for name in ("Dockerfile", ".dockerignore", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("requirements", "workers"):
        shutil.copytree(ROOT / name, tmp_path / name)
    with (tmp_path / "workers" / "cli" / "__init__.py").open("a") as code:
        code.write("# changed\n")
    log = docker("build", "--progress=plain", f"--tag={image}-changed", str(tmp_path)).stderr
    docker("rmi", f"{image}-changed")
    steps = log.split("\n\n")
    installs = [
        step for step in steps if "--require-hashes" in step or "/dependencies /usr" in step
    ]
    assert len(installs) == 3
    assert all("CACHED" in step for step in installs)


# Errors take one line.


@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_variable_is_named_in_one_line(image, service):
    settings = ("--env=CONCURRENCY=many", "--env=STOP_TIMEOUT=1", "--env=METRICS_PORT=")
    ended = docker("run", "--rm", "--network=none", *settings, image, service, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("workers: CONCURRENCY: Input should be a valid integer")
    assert "; STOP_TIMEOUT: Input should be greater than or equal to 5;" in ended.stderr
    assert "; METRICS_PORT: Input should be a valid integer" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_an_unknown_service_is_an_error_that_lists_the_services(image):
    ended = docker("run", "--rm", image, "paiment", check=False)
    assert (ended.returncode, ended.stderr) == (
        2,
        f"workers: no service 'paiment'. Services: {', '.join(SERVICES)}\n",
    )


def test_development_commands_are_not_in_the_image(image):
    ended = docker("run", "--rm", "--entrypoint=workers", image, "demo", check=False)
    assert ended.returncode == 2
    assert "No such command 'demo'" in ended.stderr
    listed = docker("run", "--rm", "--entrypoint=workers", image, "--help").stdout
    commands = {
        line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line.strip()
    }
    assert {"run", "dlq", "provision", "smoke"} <= commands
    assert commands.isdisjoint({"demo", "local", "chaos", "cost"})


@pytest.mark.parametrize("package", ["bench", "local", "tests"])
def test_the_image_has_no_development_package(inside, package):
    looked_for = f"import importlib.util as u; print(u.find_spec({package!r}))"
    assert inside("python", "-c", looked_for).stdout.strip() == "None"
