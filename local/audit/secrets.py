"""Scans every file of the checkout for secrets, with detect-secrets.

``.secrets.baseline`` has the scanner's settings and what a person has looked at and found to be no
secret, by hash. A value that is not in it is a finding.
"""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

from local.audit.report import ROOT, Report

BASELINE: Final = ".secrets.baseline"


def examine(root: Path = ROOT) -> Report:
    """Scan what git tracks, and what it would track."""
    baseline = json.loads((root / BASELINE).read_text("utf-8"))
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    )
    files = [name for name in done.stdout.split("\0") if name and name != BASELINE]
    with transient_settings(
        {"plugins_used": baseline["plugins_used"], "filters_used": baseline["filters_used"]}
    ):
        scanned = SecretsCollection(root=str(root))
        scanned.scan_files(*files)
    return judge(scanned.json(), baseline["results"], count=len(files))


def judge(scanned: dict[str, Any], known: dict[str, list[dict[str, Any]]], *, count: int) -> Report:
    """Compare what was found with what was looked at."""
    looked_at = {
        (name, each["type"], each["hashed_secret"]): each.get("is_secret")
        for name, entries in known.items()
        for each in entries
    }
    found = []
    for name, entries in sorted(scanned.items()):
        for each in sorted(entries, key=lambda entry: int(entry["line_number"])):
            verdict = looked_at.get((name, each["type"], each["hashed_secret"]))
            if verdict is not False:
                found.append(f"{name}:{each['line_number']}: {each['type']} ({BASELINE} lacks it)")
    return Report(f"secrets: {count} files", found)
