"""The smoke test fails soon and in one line where there is no system, or no access to it."""

import time

import pytest
from typer.testing import CliRunner

from workers import cli

pytestmark = pytest.mark.integration
LONGEST = 5.0  # s


def smoke(*options, code=1):
    result = CliRunner().invoke(cli.build(), ["smoke", *options])
    assert result.exit_code == code, result.output
    return result.stderr.splitlines()


def test_nobody_listens(aws, unreachable_url):
    assert aws.url
    started = time.monotonic()
    first, last = smoke("--api", unreachable_url)
    assert time.monotonic() - started < LONGEST
    assert first == f"workers: placing 4 orders at {unreachable_url}"
    assert last.startswith(f"workers: {unreachable_url}/orders: ")


def test_an_address_without_a_scheme_is_a_usage_error(aws):
    assert aws.url
    (line,) = smoke("--api", "127.0.0.1:8080", code=2)
    assert "does not start with http:// or https://" in line


def test_the_token_is_sent_and_never_printed(aws, stub):
    assert aws.url
    _, last = smoke("--api", stub.url, "--token", "secret-token")
    assert "pass --token or set TOKEN" in last
    assert "secret-token" not in last
    assert stub.headers["Authorization"] == "Bearer secret-token"
