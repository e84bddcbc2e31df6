"""The stand-in of curl in the rehearsal: tokens for the right secret only."""

import json
import os
import subprocess

import pytest

from local.rehearsal import standins

TOKENS = {"shop-1": "token-of-shop", "office-1": "token-of-office"}
REFUSED = 22


@pytest.fixture(autouse=True)
def called(monkeypatch):
    """Return the commands that were called instead of the real program."""
    called = []
    monkeypatch.setattr(standins, "_secret", lambda client: f"secret-of-{client}")
    monkeypatch.setattr(subprocess, "call", lambda words: called.append(words) or 0)
    for name, value in {
        standins.API: "https://api.example.com",
        standins.API_TASK: "http://127.0.0.1:8080",
        standins.CURL: "/usr/bin/curl",
        standins.TOKEN_URL: "https://pool.example.com/oauth2/token",
        standins.TOKENS: json.dumps(TOKENS),
    }.items():
        monkeypatch.setitem(os.environ, name, value)
    return called


def ask(user, *more):
    words = ("-fsS", "https://pool.example.com/oauth2/token", "--user", user, "-d")
    return standins.curl([*words, *(more or ("grant_type=client_credentials",))])


@pytest.mark.parametrize("client", TOKENS)
def test_a_client_gets_its_own_token(client, capsys):
    assert ask(f"{client}:secret-of-{client}") == 0
    assert json.loads(capsys.readouterr().out)["access_token"] == TOKENS[client]


def test_another_secret_or_grant_gets_none():
    assert ask("shop-1:secret-of-office-1") == REFUSED
    assert ask("shop-1:secret-of-shop-1", "grant_type=password") == REFUSED


def test_a_request_with_a_token_reaches_the_task(called):
    header = "Authorization: Bearer token-of-shop"

    assert standins.curl(["https://api.example.com/orders/1", "-H", header]) == 0
    assert standins.curl(["https://api.example.com/orders/1"]) == REFUSED
    assert standins.curl(["https://other.example.com/orders/1", "-H", header]) == REFUSED
    assert called == [["/usr/bin/curl", "http://127.0.0.1:8080/orders/1", "-H", header]]
