"""Runs Terraform on a copy of ``terraform/``, so that the checkout does not change."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
# The provider itself waits: six times five seconds after each write to a queue.
PATIENCE: Final = 1_500.0  # s for one command; all of `terraform test` on a busy machine
PARALLELISM: Final = 30  # an apply spends almost all of its time waiting
_REQUIREMENTS: Final = (
    "Install Terraform 1.10 or newer on the PATH, and make the provider hashicorp/aws 5.100 "
    "available from a registry or from a mirror in the CLI configuration "
    "(https://developer.hashicorp.com/terraform/cli/config/config-file#provider-installation)."
)

# Messages of init if a program is missing. All others are errors in the configuration.
_NOT_INSTALLED: Final = (
    "Failed to install provider",
    "Failed to query available provider packages",
    "Unsupported Terraform Core version",
)
# The copy keeps its state next to it, not in the bucket of an environment.
_LOCAL_STATE: Final = 'terraform {\n  backend "local" {}\n}\n'
# Messages about resources that no longer exist.
_GONE: Final = ("NotFound", "does not exist", "No scalable target found", "was not found")


class Missing(Exception):
    """Terraform or its provider is missing; the message says how to install it."""


class Failed(Exception):
    """A command of Terraform failed; the message is its output."""


@dataclass
class Terraform:
    """An initialised copy of the configuration."""

    directory: Path
    environment: Mapping[str, str]
    variables: tuple[str, ...] = ()

    @classmethod
    def copy(
        cls,
        directory: Path,
        environment: Mapping[str, str],
        *,
        var_file: str = "dev",
        **variables: object,
    ) -> "Terraform":
        """Copy the configuration and the files of ``workers`` that it reads, and initialise.

        Raises ``Missing`` without Terraform or its provider, and ``Failed``.
        """
        _program()
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*")
        shutil.copytree(ROOT / "terraform", directory / "terraform", ignore=ignored)
        (directory / "terraform" / "backend_override.tf").write_text(_LOCAL_STATE, "utf-8")
        (directory / "workers").mkdir()
        for name in ("alarms.json", "topology.json"):
            shutil.copy(ROOT / "workers" / name, directory / "workers")
        given = [f"-var-file=environments/{var_file}.tfvars"]
        # ECS starts no tasks in the embedded AWS, so no deployment would ever be done.
        variables = {"wait_for_steady_state": "false"} | variables
        given += [f"-var={name}={value}" for name, value in variables.items()]
        own = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
        # Otherwise the configuration would find this backend, which does not encrypt the state.
        own["TF_DATA_DIR"] = str(directory / "data")
        copied = cls(directory / "terraform", {**environment, **own}, tuple(given))
        try:
            copied.run("init")
        except Failed as failed:
            if any(words in str(failed) for words in _NOT_INSTALLED):
                raise Missing(
                    f"terraform init cannot find the provider. {_REQUIREMENTS}"
                ) from failed
            raise
        return copied

    def run(self, command: str, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        """Run a command. Returns its output; raises ``Failed`` for other exit codes."""
        done = subprocess.run(  # noqa: S603 - terraform with our own arguments
            [_program(), command, *(() if command == "fmt" else ("-no-color",)), *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode not in accept:
            raise Failed(f"terraform {command}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def apply(self) -> dict[str, Any]:
        """Create all resources. Returns the outputs by name."""
        self.run("apply", "-auto-approve", f"-parallelism={PARALLELISM}", *self.variables)
        outputs = json.loads(self.run("output", "-json"))
        return {name: output["value"] for name, output in outputs.items()}

    def changes(self, *arguments: str) -> dict[str, list[str]]:
        """Plan. Returns the planned actions by address."""
        changes = json.loads(self.plan_document(*arguments).read_text("utf-8"))["resource_changes"]
        return {
            each["address"]: each["change"]["actions"]
            for each in changes
            if each["change"]["actions"] not in (["no-op"], ["read"])
        }

    def plan_document(self, *arguments: str) -> Path:
        """Plan. Returns the path of the plan in JSON."""
        self.run("plan", "-out=plan", *self.variables, *arguments)
        document = self.directory.parent / "plan.json"
        document.write_text(self.run("show", "-json", "plan"), "utf-8")
        return document

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the attributes of all created resources by address."""
        state = json.loads(self.run("show", "-json"))
        root = state.get("values", {}).get("root_module", {})
        return {each["address"]: each["values"] for each in _resources(root)}

    def destroy(self) -> None:
        """Destroy all resources, in two attempts if necessary.

        moto is not built for thirty concurrent requests: sometimes it deletes a resource but
        answers with an error. The SDK repeats the request, and there is nothing left to delete.
        """
        destroy = ("destroy", "-auto-approve", f"-parallelism={PARALLELISM}", *self.variables)
        try:
            self.run(*destroy)
        except Failed as failed:
            if not any(words in str(failed) for words in _GONE):
                raise
            self.run(*destroy)


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in module.get("resources", []) if each["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _program() -> str:
    found = shutil.which("terraform", path=os.environ.get("PATH", ""))
    if found is None:
        raise Missing(f"terraform is not on the PATH. {_REQUIREMENTS}")
    return found
