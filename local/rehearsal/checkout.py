"""Copies of this checkout, in which a guide can be followed without changing the original."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from local.rehearsal.terraform import ROOT

_COPIED: Final = ("Makefile", "Dockerfile", "terraform", "workers", "docs")
_IGNORED: Final = shutil.ignore_patterns(".terraform*", "*.tfstate*", "__pycache__")


def copy_checkout(directory: Path) -> Path:
    """Copy what the commands of the guides need, with a commit of its own. Returns the copy."""
    copy = directory / "checkout"
    copy.mkdir()
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=_IGNORED)
        else:
            shutil.copy(source, copy)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    for arguments in (
        ("init", "--quiet"),
        ("config", "user.name", "rehearsal"),
        ("config", "user.email", "rehearsal@example.com"),
        ("commit", "--quiet", "--allow-empty", "--message", "copy"),
    ):
        subprocess.run(["git", *arguments], cwd=copy, check=True)  # noqa: S603, S607
    return copy


def set_argument(file: Path, name: str, value: str) -> None:
    """Set an argument of a file of Terraform, as somebody with an editor would."""
    text = file.read_text("utf-8")
    line = f"{name} = {value}"
    changed, count = re.subn(rf"^{name} *=.*$", line, text, flags=re.MULTILINE)
    file.write_text(changed if count else f"{text}\n{line}\n", "utf-8")
