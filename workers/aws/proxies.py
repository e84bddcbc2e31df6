"""The proxy from the environment, chosen as the SDK chooses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

import urllib3
from botocore.httpsession import ProxyConfiguration, mask_proxy_url
from botocore.utils import get_environ_proxies

from workers.aws.endpoints import wrong_with
from workers.runtime.errors import SettingsError

DEFAULT_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: requests over TLS are tunnelled, others are sent with the whole URL."""

    host: str
    port: int
    headers: Mapping[str, str] = field(repr=False)  # credentials
    shown: str  # the URL without credentials

    @classmethod
    def to(cls, endpoint: str) -> Self | None:
        """Return the proxy for an endpoint; None if there is none.

        Raises ``SettingsError`` if it is not a URL, or is itself reached over TLS.
        """
        url, headers = _configured(endpoint)
        if not url:
            return None
        parts = urlsplit(url)
        shown = mask_proxy_url(url)
        if parts.scheme == "https":
            raise SettingsError(
                f"AWS_TRANSPORT: the wire cannot use {shown}, a proxy that is reached over TLS; "
                "AWS_TRANSPORT=boto3 can"
            )
        return cls(str(parts.hostname), parts.port or DEFAULT_PORT, headers, shown)


def pool_manager(endpoint: str, **options: Any) -> urllib3.PoolManager:
    """Create a urllib3 pool that uses the same proxy, for services other than AWS.

    Raises ``SettingsError`` if the proxy is not a URL.
    """
    url, headers = _configured(endpoint)
    if url:
        return urllib3.ProxyManager(url, proxy_headers=headers, **options)
    return urllib3.PoolManager(**options)


def _configured(endpoint: str) -> tuple[str | None, dict[str, str]]:
    """Return the URL of the proxy for an endpoint, and headers with its credentials."""
    configured = ProxyConfiguration(get_environ_proxies(endpoint))
    url = configured.proxy_url_for(endpoint)
    if not url:
        return None, {}
    variable = f"{urlsplit(endpoint).scheme.upper()}_PROXY"
    if why := wrong_with(url):
        raise SettingsError(f"{variable}: {why}")
    try:
        return url, configured.proxy_headers_for(url)
    except UnicodeEncodeError:  # it quotes the password
        raise SettingsError(f"{variable}: user name or password is not ASCII") from None
