"""Checks that every dependency is pinned to one version and its hashes."""

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from local.audit.report import ROOT, Report

LOCKS = ("requirements/runtime.txt", "requirements/dev.txt", "requirements/build.txt")
_HASH = re.compile(r"--hash=(\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_PIP = re.compile(r"pip3? install ((?:[^\\\n&]|\\\n)*)")


def pinned(text: str) -> dict[str, str]:
    """Return the version of each package in a file of requirements, by its normalized name."""
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    }


def unpinned(path: str, text: str) -> Iterator[str]:
    """Find requirements without an exact version or without a SHA-256 hash."""
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        wanted, *hashes = re.split(r"\s+(?=--hash=)", line.strip())
        try:
            requirement = Requirement(wanted)
        except InvalidRequirement:
            yield f"{path}: {wanted}: not a package of the index with a version and hashes"
            continue
        if not re.fullmatch(r"==[^*,]+", str(requirement.specifier)):
            yield f"{path}: {requirement.name}: pin one version with =="
        if not hashes or any(not _SHA256.fullmatch(_HASH.sub(r"\1", each)) for each in hashes):
            yield f"{path}: {requirement.name}: add its SHA-256 hashes (make lock)"


def unhashed_installs(text: str) -> Iterator[str]:
    """Find ``pip install`` in the Dockerfile that would take a file without comparing its hash."""
    for installed in _PIP.findall(text):
        options = installed.split()
        if "--require-hashes" not in options and not {"--no-deps", "--no-index"} <= set(options):
            yield f"Dockerfile: pip install {' '.join(options)}: add --require-hashes"


def examine(root: Path = ROOT) -> Report:
    """Examine the files of requirements and the Dockerfile's commands."""
    texts = {path: (root / path).read_text("utf-8") for path in LOCKS}
    found = [each for path, text in texts.items() for each in unpinned(path, text)]
    found += unhashed_installs((root / "Dockerfile").read_text("utf-8"))
    count = len({name for text in texts.values() for name in pinned(text)})
    return Report(f"pins: {count} packages, each with one version and its hashes", found)
