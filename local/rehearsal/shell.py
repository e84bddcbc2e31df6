"""Runs blocks of commands as a user would type them, one after the other, into one shell."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAMS: Final = ("bash", "make", "git", "terraform", "aws", "jq", "curl")
_PATIENCE: Final = 900.0  # s for one block
_TAIL: Final = 3000  # characters of output in a message
# The next block has the variables and functions that this one sets, exported or not. A failed
# command ends the block.
_SCRIPT: Final = """set -euo pipefail
_given=$(compgen -v | sort)
[ ! -f "$1" ] || . "$1"
{block}
_set=$(comm -13 <(echo "$_given") <(compgen -v | grep -vE '^(_given|BASH.*|PIPESTATUS)$' | sort))
[ -z "$_set" ] || declare -p $_set >"$1"
declare -f >>"$1"
"""
_STAND_IN: Final = '#!/bin/sh\nexec "{python}" -m local.rehearsal.standins {name} "$@"\n'
_YES: Final = "yes\n"  # to the questions of Terraform


class CommandFailed(Exception):
    """A command failed; the message has its place and the end of its output."""


class ProgramMissing(Exception):
    """A program is not on the PATH."""


@dataclass(frozen=True)
class Shell:
    """A shell in ``directory`` that keeps its variables, with stand-ins first on its PATH."""

    directory: Path
    environment: Mapping[str, str]
    memory: Path  # a directory for the stand-ins and the variables

    @classmethod
    def open(
        cls,
        directory: Path,
        environment: Mapping[str, str],
        memory: Path,
        stand_ins: tuple[str, ...],
    ) -> "Shell":
        """Create the stand-ins. Raises ``ProgramMissing`` if another program is not installed."""
        if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
            raise ProgramMissing(f"not on the PATH: {', '.join(missing)}")
        programs = memory / "bin"
        programs.mkdir(parents=True)
        for name in stand_ins:
            (programs / name).write_text(_STAND_IN.format(python=sys.executable, name=name))
            (programs / name).chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return cls(directory, {**environment, "PATH": path}, memory)

    def run(self, block: str, place: str) -> str:
        """Run a block. Returns its output; raises ``CommandFailed``."""
        done = subprocess.run(  # noqa: S603 - the commands of our own documents
            ["bash", "-c", _SCRIPT.format(block=block), "bash", str(self.memory / "variables")],  # noqa: S607 - from the PATH, as for a user
            cwd=self.directory,
            env=self.environment,
            input=_YES,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"{place}: exit code {done.returncode}\n{done.stdout[-_TAIL:]}")
        return done.stdout
