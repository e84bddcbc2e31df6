"""AWS's extended client libraries, in a process of their own: an import replaces boto3's Session.

    python -m support.extended_clients < REQUEST.json

A request has the service ("sns" or "sqs"), settings of the client, a method and its arguments. The
answer of the method is written as JSON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


def call(service, method, arguments, **options):
    """Call a method of a client of the library for ``service`` in another process."""
    request = {"service": service, "method": method, "arguments": arguments, "options": options}
    done = subprocess.run(
        [sys.executable, "-m", "support.extended_clients"],
        input=json.dumps(request),
        capture_output=True,
        cwd=Path(__file__).parents[1],
        env=dict(os.environ),
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def main():
    request = json.load(sys.stdin)
    if request["service"] == "sns":
        from sns_extended_client import SNSExtendedClientSession as Session  # noqa: PLC0415
    else:
        from sqs_extended_client import SQSExtendedClientSession as Session  # noqa: PLC0415
    client = Session(region_name="eu-west-1").client(request["service"])
    for name, value in request["options"].items():
        setattr(client, name, value)
    answer = getattr(client, request["method"])(**request["arguments"])
    json.dump(answer, sys.stdout, default=str)


if __name__ == "__main__":
    main()
