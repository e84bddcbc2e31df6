"""Runs every examination. Exits with 1 for a finding, and with AUDIT=required for a gap too."""

import os
import sys

from local.audit import contents, pins, secrets, vulnerabilities
from local.audit.report import lines, passed


def main() -> int:
    """Print a line for each examination; return the exit code."""
    reports = [pins.examine(), contents.examine(), secrets.examine(), vulnerabilities.examine()]
    required = os.environ.get("AUDIT") == "required"
    sys.stdout.write("\n".join(lines(reports)) + "\n")
    return 0 if passed(reports, required=required) else 1


sys.exit(main())
