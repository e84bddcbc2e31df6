"""A proxy that is not a URL is a wrong setting, named in one line."""

import pytest

from workers.aws.proxies import Proxy, pool_manager
from workers.runtime.errors import SettingsError


@pytest.fixture
def patch(environment):
    with environment.context() as patch:
        yield patch


@pytest.mark.parametrize("connect", [Proxy.to, pool_manager])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("http://proxy.example.com:80a", "'http://proxy.example.com:80a': Port could not be cast"),
        ("proxy.example.com:99999", "Port out of range"),
        ("http://:3128", "names no host"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("http://ada:secret@proxy.example.com:80a", "the value is not a URL"),
        ("http://ada:secret/2@proxy.example.com:80", "the value is not a URL"),
        ("http://ada:secr%C3%A9t@proxy.example.com:80", "password is not ASCII"),
    ],
)
def test_a_malformed_proxy_is_named_without_its_password(patch, connect, scheme, proxy, problem):
    patch.setenv(f"{scheme.upper()}_PROXY", proxy)

    with pytest.raises(SettingsError) as refusal:
        connect(f"{scheme}://aws.example.com")
    text = str(refusal.value)
    assert text.startswith(f"{scheme.upper()}_PROXY: ")
    assert problem in text
    assert "secr" not in text
    assert "\n" not in text


def test_credentials_of_a_proxy_are_not_shown(patch):
    patch.setenv("HTTPS_PROXY", "http://ada:secret@[::1]:3128")

    proxy = Proxy.to("https://aws.example.com")

    assert (proxy.host, proxy.port) == ("::1", 3128)
    assert proxy.headers == {"Proxy-Authorization": "Basic YWRhOnNlY3JldA=="}
    assert "secret" not in repr(proxy)
    assert "YWRh" not in repr(proxy)
