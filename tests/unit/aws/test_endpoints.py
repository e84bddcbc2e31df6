"""An endpoint that is not a URL is a wrong setting, named in one line."""

import pytest

from workers.aws.clients import Clients
from workers.aws.endpoints import origin_of, require_valid_endpoints
from workers.aws.provisioning import EmulatorClients
from workers.runtime.errors import SettingsError
from workers.settings import Settings


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("127.0.0.1:4566", "does not start with http:// or https://"),
        ("localhost:4566", "does not start with http:// or https://"),
        ("ftp://127.0.0.1", "does not start with http:// or https://"),
        ("http://", "names no host"),
        ("http://:4566", "names no host"),
        ("http://host name:4566", "names no host"),
        ("http://127.0.0.1:port", "Port could not be cast"),
        ("http://127.0.0.1:99999", "Port out of range"),
        ("http://127.0.0.1:0", "has port 0"),
        ("http://[::1", "Invalid IPv6 URL"),
    ],
)
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"])
def test_a_malformed_endpoint_is_named_in_one_line(monkeypatch, name, url, problem):
    monkeypatch.setenv(name, url)
    for connect in (
        lambda: Clients.connect(Settings(), threads=1),
        lambda: EmulatorClients.connect("eu-west-1"),
    ):
        with pytest.raises(SettingsError) as refusal:
            connect()
        text = str(refusal.value)
        assert text.startswith(f"{name}: {url!r}")
        assert problem in text
        assert "\n" not in text


@pytest.mark.parametrize("url", ["user:secret@127.0.0.1", "http://user:secret/2@127.0.0.1"])
def test_a_password_is_not_quoted(url):
    with pytest.raises(SettingsError) as refusal:
        require_valid_endpoints({"AWS_ENDPOINT_URL": url})
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:4566", "https://sqs.eu-west-1.amazonaws.com", "http://[::1]:80"]
)
def test_a_url_is_accepted(url):
    require_valid_endpoints({"AWS_ENDPOINT_URL": url})


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
        ("http://127.0.0.1:4566/", "http://127.0.0.1:4566"),
        ("HTTPS://sqs.example.com", "https://sqs.example.com"),
        ("http://ada:secret@[::1]:80/", "http://ada:secret@[::1]:80"),
    ],
)
def test_the_wire_takes_scheme_and_host_of_an_endpoint(url, origin):
    assert origin_of(url, "sqs") == origin


@pytest.mark.parametrize("rest", ["/gateway", "/?x=1", "?x=1", "//", "#x"])
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"])
def test_the_wire_refuses_a_path_by_the_name_of_the_setting(monkeypatch, name, rest):
    url = f"http://127.0.0.1:4566{rest}"
    monkeypatch.delenv("AWS_ENDPOINT_URL_SQS", raising=False)
    monkeypatch.setenv(name, url)

    with pytest.raises(SettingsError) as refusal:
        origin_of(url, "sqs")
    assert str(refusal.value).startswith(f"{name}: {url!r} has a path or a query")
    assert "AWS_TRANSPORT=boto3" in str(refusal.value)


def test_a_password_is_not_quoted_when_the_wire_refuses_a_path():
    with pytest.raises(SettingsError, match="the value has a path") as refusal:
        origin_of("http://ada:secret@127.0.0.1/gateway", "sqs")
    assert "secret" not in str(refusal.value)
