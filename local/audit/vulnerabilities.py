"""Asks PyPI's vulnerability service about every pinned package, through pip-audit.

pip-audit calls a package that the service does not know "skipped", and succeeds. Mirrors of PyPI
answer so for every package, or answer without vulnerabilities. Therefore a release with known ones
is asked about first: without an answer for it, nothing counts as checked.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from local.audit.pins import LOCKS
from local.audit.report import ROOT, Report

# Many vulnerabilities, such as CVE-2011-0696, and no dependencies.
VULNERABLE: Final = "django==1.2"
_TIMEOUT: Final = 300  # seconds, for all packages
_ASK_EACH: Final = 15  # seconds, for one


def examine(root: Path = ROOT) -> Report:
    """Ask about every package of every file of requirements."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known.txt"
        known.write_text(f"{VULNERABLE}\n", "utf-8")
        control = _ask(known, "--no-deps")
    if not answers(control):
        return Report("", not_checked=["vulnerabilities: no vulnerability service answers"])
    asked = [_ask(root / path, "--require-hashes") for path in LOCKS]
    return judge(asked)


def answers(control: dict[str, Any] | None) -> bool:
    """Tell whether the service reported the release that is known to be vulnerable."""
    return control is not None and any(each.get("vulns") for each in control["dependencies"])


def judge(asked: list[dict[str, Any] | None]) -> Report:
    """Turn pip-audit's documents into a report; None is a question without an answer."""
    packages: dict[tuple[str, str], dict[str, Any]] = {}
    for document in asked:
        for each in document["dependencies"] if document else []:
            packages[each["name"], each.get("version", "")] = each
    found = [
        f"{name} {version}: {each['id']}; fixed in {', '.join(each['fix_versions']) or 'nothing'}"
        for (name, version), package in sorted(packages.items())
        for each in package.get("vulns", [])
    ]
    skipped = sorted(name for (name, _), each in packages.items() if "skip_reason" in each)
    gaps = [f"vulnerabilities of {', '.join(skipped)}: the service does not know it"]
    unanswered = ["vulnerabilities: the service stopped answering"] if None in asked else []
    return Report(
        f"vulnerabilities: {len(packages)} packages, none known",
        found,
        (gaps if skipped else []) + unanswered,
    )


def _ask(path: Path, option: str) -> dict[str, Any] | None:
    """Run pip-audit; None without an answer. It exits with 1 for vulnerabilities and for errors."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(path), option]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            [*command, "--timeout", str(_ASK_EACH)],
            capture_output=True,
            check=False,
            text=True,
            timeout=_TIMEOUT,
        )
        document: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None
    return document
