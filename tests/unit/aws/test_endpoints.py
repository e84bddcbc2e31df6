"""An endpoint that is not a URL is a wrong setting, named in one line."""

import pytest

from workers.aws.clients import Clients
from workers.aws.endpoints import require_valid_endpoints
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


def test_a_password_is_not_quoted():
    with pytest.raises(SettingsError) as refusal:
        require_valid_endpoints({"AWS_ENDPOINT_URL": "user:secret@127.0.0.1"})
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:4566", "https://sqs.eu-west-1.amazonaws.com", "http://[::1]:80"]
)
def test_a_url_is_accepted(url):
    require_valid_endpoints({"AWS_ENDPOINT_URL": url})
