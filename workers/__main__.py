"""Runs the ``workers`` command as ``python -m workers``."""

import os
import sys

from workers.healthcheck import METRICS_PORT, ask


def main() -> None:
    """Run the command line. A health check skips its imports, which saves most of the time."""
    port = os.environ.get("METRICS_PORT", str(METRICS_PORT))
    match sys.argv[1:]:
        case ["healthcheck", *options] if options in ([], ["--ready"]) and port.isdigit():
            sys.exit(ask(int(port), ready=bool(options)))
    from workers import cli  # noqa: PLC0415 - not imported for a health check

    cli.main()


if __name__ == "__main__":
    main()
