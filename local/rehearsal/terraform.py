"""Terraform on a copy of ``terraform/``, so that the checkout stays as it is."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The provider waits by itself: six times five seconds after each write to a queue.
PATIENCE = 600.0  # s for one command
PARALLELISM = 30  # almost all of an apply is waiting
NO_CHANGES, CHANGES = 0, 2  # exit codes of plan -detailed-exitcode
HOW = (
    "Needed are Terraform 1.10 or newer on the PATH, and the provider hashicorp/aws 5.100: from a "
    "registry, or from a mirror that the CLI configuration names "
    "(https://developer.hashicorp.com/terraform/cli/config/config-file#provider-installation)."
)

# What init says where a program is missing; anything else is a fault of the configuration.
NOT_HAD = (
    "Failed to install provider",
    "Failed to query available provider packages",
    "Unsupported Terraform Core version",
)
# What is said of that which is gone already.
GONE = ("NotFound", "does not exist", "No scalable target found")


class Missing(Exception):
    """Terraform or its provider cannot be had; the text says what is missing and how to get it."""


class Failed(Exception):
    """A command of Terraform failed; the text is what it said."""


@dataclass
class Terraform:
    """The configuration in a directory of its own, initialised."""

    directory: Path
    environment: dict
    variables: tuple = ()

    @classmethod
    def copy(cls, directory, environment, *, var_file="dev", **variables):
        """Copy configuration and map to a directory, and initialise. Raises ``Missing``."""
        if shutil.which("terraform") is None:
            raise Missing(f"terraform is not on the PATH. {HOW}")
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*")
        shutil.copytree(ROOT / "terraform", directory / "terraform", ignore=ignored)
        (directory / "workers").mkdir()
        shutil.copy(ROOT / "workers" / "topology.json", directory / "workers")
        given = [f"-var-file=environments/{var_file}.tfvars"]
        given += [f"-var={name}={value}" for name, value in variables.items()]
        own = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}
        made = cls(directory / "terraform", {**environment, **own}, tuple(given))
        try:
            made.run("init")
        except Failed as failed:
            if any(words in str(failed) for words in NOT_HAD):
                raise Missing(f"terraform init cannot find what it needs. {HOW}") from failed
            raise
        return made

    def run(self, command, *arguments, accept=(0,)):
        """Run a command; gives what it printed. Raises ``Failed``."""
        done = subprocess.run(  # noqa: S603 - terraform, with arguments of ours
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

    def apply(self):
        """Make everything; gives the outputs by name."""
        self.run("apply", "-auto-approve", f"-parallelism={PARALLELISM}", *self.variables)
        outputs = json.loads(self.run("output", "-json"))
        return {name: output["value"] for name, output in outputs.items()}

    def changes(self, *arguments):
        """Plan; gives what would change: actions by address."""
        changes = json.loads(self.plan_document(*arguments).read_text("utf-8"))["resource_changes"]
        return {
            each["address"]: each["change"]["actions"]
            for each in changes
            if each["change"]["actions"] not in (["no-op"], ["read"])
        }

    def plan_document(self, *arguments):
        """Plan; gives the file that describes the plan in JSON."""
        self.run("plan", "-out=plan", *self.variables, *arguments)
        document = self.directory.parent / "plan.json"
        document.write_text(self.run("show", "-json", "plan"), "utf-8")
        return document

    def resources(self):
        """Give the attributes of everything that was made, by address."""
        state = json.loads(self.run("show", "-json"))
        root = state.get("values", {}).get("root_module", {})
        return {each["address"]: each["values"] for each in _resources(root)}

    def destroy(self):
        """Take everything away again, in two goes if need be.

        moto is not made for thirty requests at once: now and then it deletes and answers with an
        error. The SDK repeats the request, and finds nothing to delete any more.
        """
        destroy = ("destroy", "-auto-approve", f"-parallelism={PARALLELISM}", *self.variables)
        try:
            self.run(*destroy)
        except Failed as failed:
            if not any(words in str(failed) for words in GONE):
                raise
            self.run(*destroy)


def _resources(module):
    yield from (each for each in module.get("resources", []) if each["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _program():
    return shutil.which("terraform", path=os.environ.get("PATH", ""))
