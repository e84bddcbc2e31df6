"""Runs the embedded AWS in its own process: ``python -m local.aws.embedded --port 4566``."""

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from local.aws.faults.rules import Rule
from local.ports import release_port, reserve_port
from local.tether import Tether

_LOOPBACK: Final = "127.0.0.1"
_START_TIMEOUT: Final = 60.0  # s; about one second on an idle machine
_STOP_TIMEOUT: Final = 5.0  # s
_ASK_TIMEOUT: Final = 5.0  # s
_POLL_INTERVAL: Final = 0.02  # s


class EmbeddedAwsError(Exception):
    """The embedded AWS did not start; the message says why."""


class EmbeddedAws:
    """The embedded AWS for the duration of a ``with`` block. It ends when this process ends."""

    def __init__(self, *, port: int = 0, log: Path | None = None) -> None:
        self._port = port or reserve_port()
        self._log = log or Path(os.devnull)
        self._tether: Tether | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The endpoint for every AWS client."""
        return f"http://{_LOOPBACK}:{self._port}"

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which every AWS client uses this endpoint only.

        The inherited AWS settings are left out, so that no request reaches a real account.
        """
        others = {name: value for name, value in inherited.items() if not name.startswith("AWS_")}
        region = inherited.get("AWS_REGION") or "eu-west-1"
        return others | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def requests(self) -> dict[str, Any]:
        """Count the requests so far: ``total``, by ``services``, by ``queues``."""
        counts: dict[str, Any] = self._ask("requests")
        return counts

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used so far (s)."""
        seconds: float = self._ask("cpu")["seconds"]
        return seconds

    def mails(self) -> list[dict[str, Any]]:
        """List the emails sent so far: ``id, from, to, subject, body``."""
        mails: list[dict[str, Any]] = self._ask("mails")
        return mails

    def rights(self) -> list[dict[str, Any]]:
        """List the rights that roles used: ``role, action, resource, verdict, count``."""
        used: list[dict[str, Any]] = self._ask("rights")
        return used

    def check_requests(self) -> None:
        """Compare each request from now on with its service's model, see ``violations``."""
        self._ask("violations", "POST")

    def violations(self) -> list[dict[str, Any]]:
        """List what the models forbid in the requests since ``check_requests``.

        Each entry has ``service, operation, resource, member, message, count``. Raises
        ``RuntimeError`` before ``check_requests``.
        """
        found: list[dict[str, Any]] | None = self._ask("violations")
        if found is None:
            raise RuntimeError("no request has been compared: call check_requests() first")
        return found

    def inject(self, rules: Sequence[Rule | Mapping[str, Any]], seed: int = 0) -> None:
        """Inject faults by these rules, which replace all earlier ones.

        Raises ``ValueError``, which lists the valid values, for an invalid rule.
        """
        documents = [rule.model_dump() if isinstance(rule, Rule) else dict(rule) for rule in rules]
        answer = self._ask("faults", "POST", {"seed": seed, "rules": documents})
        if "error" in answer:
            raise ValueError(answer["error"])

    def faults(self) -> dict[str, Any]:
        """Return the rules with ``seen`` and ``fired`` each, and ``fired`` by mode."""
        counts: dict[str, Any] = self._ask("faults")
        return counts

    def heal(self) -> dict[str, Any]:
        """Remove all rules. Returns the counts so far, as ``faults`` does."""
        counts: dict[str, Any] = self._ask("faults", "DELETE")
        return counts

    def start(self) -> None:
        """Start the process and wait until it answers. Raises ``EmbeddedAwsError``."""
        self._tether = Tether()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "local.aws.embedded", "--port", str(self._port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=self._tether.group,
            )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the process."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._tether is not None:
            self._tether.release()
        release_port(self._port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise EmbeddedAwsError(
                    f"the embedded AWS exited with code {process.returncode} (see {self._log}); "
                    f"check that port {self._port} is free and the extra 'local' is installed"
                )
            try:
                if self._ask("health")["pid"] == process.pid:
                    return
            except OSError:
                time.sleep(_POLL_INTERVAL)
        raise EmbeddedAwsError(f"the embedded AWS did not answer within {_START_TIMEOUT:.0f} s")

    def _ask(self, what: str, method: str = "GET", document: object = None) -> Any:
        connection = http.client.HTTPConnection(_LOOPBACK, self._port, timeout=_ASK_TIMEOUT)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, f"/_embedded/{what}", body)
            return json.load(connection.getresponse())
        finally:
            connection.close()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    # Only this process imports moto: the import takes a second, and the patches are permanent.
    from local.aws.server import serve  # noqa: PLC0415 - see above

    parser = argparse.ArgumentParser(prog="python -m local.aws.embedded", description=__doc__)
    parser.add_argument("--port", type=int, default=4566)
    serve(parser.parse_args().port)


if __name__ == "__main__":
    main()
