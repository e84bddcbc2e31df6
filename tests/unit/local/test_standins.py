"""The stand-ins of the rehearsal refuse what they do not stand in for."""

import pytest

from local.rehearsal import standins

API, TOKEN_URL = "https://api.example.com", "https://tokens.example.com/oauth2/token"


@pytest.fixture(autouse=True)
def _endpoints(monkeypatch):
    monkeypatch.setenv(standins.API, API)
    monkeypatch.setenv(standins.API_TASK, "http://127.0.0.1:1")
    monkeypatch.setenv(standins.TOKEN_URL, TOKEN_URL)
    monkeypatch.setattr(standins, "_client", lambda: "client:secret")


def test_docker_pushes_what_buildx_names(monkeypatch, tmp_path):
    pushed = []
    monkeypatch.setattr(standins, "push_image", lambda *image: pushed.append(image))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").touch()
    url = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/order-pipeline:abc"

    assert standins.docker(["buildx", "build", "--tag", url, "--push", "."], "") == 0
    assert pushed == [("order-pipeline", "abc")]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["login", "--username", "AWS", "--password-stdin", "1.dkr.ecr.eu.amazonaws.com"], ""),
        (["login", "--username", "AWS", "--password-stdin", "registry.example.com"], "password"),
        (["buildx", "build", "--tag", "a/b:c", "."], ""),
        (["push", "a/b:c"], ""),
    ],
)
def test_docker_refuses_other_commands(words, given):
    assert standins.docker(words, given) == 1


def test_a_token_is_given_for_the_secret_of_the_client_only(capsys):
    asked = ["-d", "grant_type=client_credentials", TOKEN_URL, "--user"]

    assert standins.curl([*asked, "client:other"]) == 22
    assert capsys.readouterr().out == ""
    assert standins.curl([*asked, "client:secret"]) == 0
    assert "access_token" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [[f"{API}/orders"], ["-H", "Authorization: Bearer other", f"{API}/orders"]]
)
def test_the_api_refuses_a_request_without_the_token(words):
    assert standins.curl(words) == 22
