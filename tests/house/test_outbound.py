"""No address that a request or an event carries is ever opened (SSRF).

A module that opens connections is listed here with the origin of its address. Production code that
imports a network library, or builds a client with an endpoint, is found.
"""

import ast

import pytest

from house import rules
from house.findings import check

# Where the address comes from.
ADDRESS_OF = {
    "workers/aws/ecs.py": "the ECS agent's variable",
    "workers/aws/certificates.py": "none: it trusts",
    "workers/aws/connections.py": "the SDK: a region, or a setting",
    "workers/aws/exchanges.py": "none: it is given a connection",
    "workers/aws/proxies.py": "the environment, as the SDK reads it",
    "workers/bootstrap.py": "none: the name of this host",
    "workers/api/issuer.py": "a setting, and what its document names: never a token's",
    "workers/api/keys.py": "none: it reads keys",
    "workers/api/server.py": "none: it listens",
    "workers/api/tokens.py": "none: it reads tokens",
    "workers/gateways/stripe_api.py": "a constant, or a setting",
    "workers/healthcheck.py": "loopback",
    "workers/ops/smoke.py": "an operator's argument",
    "workers/runtime/observability/health.py": "none: it listens",
}
NETWORK = {
    *("aiohttp", "asyncore", "ftplib", "http.client", "httpx", "jwt", "requests", "smtplib"),
    *("socket", "socketserver", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc"),
}


def connecting(modules):
    """Find imports of network libraries in modules that are not listed."""
    for module in modules:
        for node in ast.walk(module.tree):
            match node:
                case ast.Import(names=names):
                    imported = {each.name for each in names}
                case ast.ImportFrom(module=str(origin), names=names, level=0):
                    imported = {origin, *(f"{origin}.{each.name}" for each in names)}
                case _:
                    continue
            for name in sorted(imported):
                parts = {".".join(name.split(".")[:depth]) for depth in (1, 2)}
                if parts & NETWORK and module.path not in ADDRESS_OF:
                    yield module.at(
                        node, f"{name}: list in ADDRESS_OF where its address comes from"
                    )


def test_only_these_modules_open_connections():
    modules = rules.modules("workers")

    check(connecting(modules))
    assert ADDRESS_OF.keys() <= {module.path for module in modules}


@pytest.mark.parametrize(
    "text",
    [
        "import requests",
        "import urllib.request",
        "from urllib.request import urlopen",
        "from urllib import request",
        "from http import client",
        "def f():\n    import socket as s",
        "import urllib3.util",
    ],
)
def test_a_module_that_opens_connections_is_found(text):
    (found, *_) = connecting([rules.Module.parse("workers/planted.py", text)])

    assert found.startswith("workers/planted.py:")


def test_a_module_that_only_reads_urls_is_not_found():
    planted = "from urllib.parse import urlsplit\nfrom starlette.requests import Request"

    assert list(connecting([rules.Module.parse("workers/planted.py", planted)])) == []
