"""Checkov in a separate environment, created on demand: its pins conflict with the project's."""

import json
import subprocess
from pathlib import Path

from bench.environments import NotInstalled, python
from local.rehearsal.terraform import Missing

PACKAGES = ("checkov==3.3.30",)
PATIENCE = 300.0  # s


def command():
    """Return the start of a command line. Raises ``Missing``."""
    try:
        interpreter = python("checkov", PACKAGES)
    except NotInstalled as reason:
        raise Missing(f"checkov cannot be installed from PyPI: {reason}") from None
    return [interpreter, str(Path(interpreter).with_name("checkov"))]


def findings(program, framework, *arguments):
    """Run checkov without a network; return each finding as ``check: resource``."""
    fixed = ("--quiet", "--compact", "--skip-download", "--output=json", "--framework", framework)
    done = subprocess.run(  # noqa: S603 - our own installation
        [*program, *fixed, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout.strip(), done.stderr[-2000:]
    reports = json.loads(done.stdout)
    reports = reports if isinstance(reports, list) else [reports]
    return [
        f"{each['check_id']} {each['check_name']}: {each['resource']} in {each['file_path']}"
        for report in reports
        for each in report.get("results", {}).get("failed_checks", [])
    ]
