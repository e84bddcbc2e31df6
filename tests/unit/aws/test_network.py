"""Clients handle certificates, proxies and changing host names."""

import socket
from contextlib import suppress

import pytest
from support.adapter_calls import Once, delete, mail, publish, recall
from support.certificates import Authority
from support.proxy import proxying
from support.stub import serving

from workers.aws.clients import Clients
from workers.runtime.errors import SettingsError, Unavailable
from workers.settings import Settings

HOST = "aws.test"  # no such name, anywhere: https://www.rfc-editor.org/rfc/rfc6761
DONE = b'{"Successful": [{"Id": "0"}], "Failed": []}'
TRANSPORTS = ["wire", "boto3"]
CALLS = pytest.mark.parametrize("call", [delete, recall], ids=["sqs", "dynamodb"])


@pytest.fixture(params=TRANSPORTS, autouse=True)
def transport(request, environment):
    """Run every test with both transports."""
    environment.setenv("AWS_TRANSPORT", request.param)
    return request.param


def connect():
    return Once(Clients.connect(Settings(), threads=2))


@pytest.fixture
def patch(environment):
    with environment.context() as patch:
        patch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        yield patch


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def secure(authority):
    with serving(authority.serve(HOST)) as server:
        yield server


@pytest.fixture
def tls(secure):
    secure.reset()
    secure.body = DONE
    return secure


@pytest.fixture
def names(patch):
    """Host names and their addresses; other names are not found."""
    known = {}

    def resolve(host, port, *rest, getaddrinfo=socket.getaddrinfo, **others):
        if host == HOST:
            if host not in known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = known[host]
        return getaddrinfo(host, port, *rest, **others)

    patch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
def reachable(patch, names, tls):
    """Resolve the server's name to its address."""
    names[HOST] = "127.0.0.1"
    patch.setenv("AWS_ENDPOINT_URL", f"https://{HOST}:{tls.server_port}")


@CALLS
@pytest.mark.usefixtures("reachable")
def test_a_server_with_an_untrusted_certificate_gets_no_request(tls, call):
    with pytest.raises(Unavailable, match="certificate"):
        call(connect())

    assert tls.requests == []


@CALLS
@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.usefixtures("reachable")
def test_an_authority_from_the_environment_is_trusted(tls, patch, authority, call, variable):
    patch.setenv(variable, str(authority.file))

    call(connect())

    assert len(tls.requests) == 1


@CALLS
@pytest.mark.usefixtures("reachable")
def test_an_authority_from_the_config_file_is_trusted(tls, patch, tmp_path, authority, call):
    file = tmp_path / "config"
    file.write_text(f"[default]\nca_bundle = {authority.file}\n")
    patch.setenv("AWS_CONFIG_FILE", str(file))
    # The config file comes first, as for the SDK.
    patch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path).file))

    call(connect())

    assert len(tls.requests) == 1


@CALLS
@pytest.mark.usefixtures("reachable")
def test_another_authority_is_not_trusted(tls, patch, tmp_path, call):
    patch.setenv("AWS_CA_BUNDLE", str(Authority(tmp_path).file))

    with pytest.raises(Unavailable, match="certificate"):
        call(connect())

    assert tls.requests == []


@CALLS
@pytest.mark.parametrize("text", [None, "", "no certificate"])
@pytest.mark.usefixtures("reachable")
def test_a_file_without_authorities_is_an_outage(tls, patch, tmp_path, call, text):
    file = tmp_path / "authorities.pem"
    if text is not None:
        file.write_text(text)
    patch.setenv("AWS_CA_BUNDLE", str(file))

    with pytest.raises(Unavailable):
        call(connect())

    assert tls.requests == []


@CALLS
@pytest.mark.usefixtures("reachable")
def test_a_certificate_is_valid_for_its_own_name_only(tls, patch, authority, call):
    patch.setenv("AWS_CA_BUNDLE", str(authority.file))
    patch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{tls.server_port}")

    with pytest.raises(Unavailable):
        call(connect())

    assert tls.requests == []


@pytest.fixture
def trusting(patch, authority, tls):
    """Only the proxy can resolve the name."""
    patch.setenv("AWS_CA_BUNDLE", str(authority.file))
    patch.setenv("AWS_ENDPOINT_URL", f"https://{HOST}:{tls.server_port}")


@CALLS
@pytest.mark.usefixtures("names", "trusting")
def test_requests_go_through_the_proxy_from_the_environment(tls, patch, call):
    with proxying(tls.server_port) as proxy:
        patch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        call(connect())

        assert proxy.asked == [f"{HOST}:{tls.server_port}"]
    assert len(tls.requests) == 1


@CALLS
@pytest.mark.usefixtures("names", "trusting")
def test_a_proxy_may_require_credentials(tls, patch, call):
    with proxying(tls.server_port, login="ada:secret") as proxy:
        patch.setenv("HTTPS_PROXY", f"http://ada:wrong@{proxy.address}")
        with pytest.raises(Unavailable):
            call(connect())

        patch.setenv("HTTPS_PROXY", f"ada:secret@{proxy.address}")
        call(connect())
    assert len(tls.requests) == 1


@CALLS
@pytest.mark.parametrize("refusal", [b"403 Forbidden", b"502 Bad Gateway", b"200 "])
@pytest.mark.usefixtures("names", "trusting")
def test_a_proxy_that_refuses_a_connection_is_an_outage(tls, patch, call, refusal):
    with proxying(tls.server_port) as proxy:
        proxy.refusal = refusal
        patch.setenv("HTTPS_PROXY", f"http://{proxy.address}")

        with pytest.raises(Unavailable):
            call(connect())
    assert tls.requests == []


@CALLS
@pytest.mark.parametrize("spared", [HOST, ".test", "*", "{host}:{port}"])
@pytest.mark.usefixtures("reachable", "trusting")
def test_a_host_can_be_excluded_from_the_proxy(tls, patch, call, spared):
    with proxying(tls.server_port) as proxy:
        patch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        patch.setenv("NO_PROXY", spared.format(host=HOST, port=tls.server_port))
        call(connect())

        assert proxy.asked == []
    assert len(tls.requests) == 1


@CALLS
def test_an_unresolved_name_is_an_outage_until_it_resolves(stub, patch, names, call):
    stub.body = DONE
    patch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:{stub.server_port}")
    clients = connect()
    with pytest.raises(Unavailable):
        call(clients)

    names[HOST] = "127.0.0.1"
    call(clients)

    assert len(stub.requests) == 1


@CALLS
def test_a_name_that_moves_is_followed_once_the_connection_breaks(stub, patch, names, call):
    """A failover closes the connections of the old address and gives the name a new one."""
    stub.body = DONE
    names[HOST] = "127.0.0.1"
    patch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:{stub.server_port}")
    clients = connect()
    call(clients)

    names[HOST] = "localhost"
    stub.resets = {2}
    asked = []
    resolve = socket.getaddrinfo
    patch.setattr(
        socket, "getaddrinfo", lambda host, *rest: asked.append(host) or resolve(host, *rest)
    )
    call(clients)

    assert asked == [HOST]
    assert len(stub.requests) == 3


@CALLS
@pytest.mark.usefixtures("names")
def test_a_proxy_that_does_not_tunnel_gets_the_whole_url(stub, patch, call):
    stub.body = DONE
    patch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:4566")
    patch.setenv("HTTP_PROXY", stub.url)

    call(connect())

    ((_, target, _),) = stub.requests
    assert target == f"http://{HOST}:4566/"
    assert stub.headers["Host"] == f"{HOST}:4566"
    assert "Proxy-Authorization" not in stub.headers


@CALLS
@pytest.mark.usefixtures("names")
def test_a_proxy_that_does_not_tunnel_gets_its_credentials(stub, patch, call):
    stub.body = DONE
    patch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:4566")
    patch.setenv("HTTP_PROXY", f"http://ada:secret@127.0.0.1:{stub.server_port}")

    call(connect())

    assert stub.headers["Proxy-Authorization"] == "Basic YWRhOnNlY3JldA=="


@CALLS
@pytest.mark.usefixtures("trusting")
def test_the_credentials_of_a_tunnelling_proxy_are_for_the_proxy_only(tls, patch, call):
    with proxying(tls.server_port, login="ada:secret") as proxy:
        patch.setenv("HTTPS_PROXY", f"http://ada:secret@{proxy.address}")
        call(connect())

    assert "Proxy-Authorization" not in tls.headers


@pytest.mark.parametrize("make", ["dynamodb", "poll", "settle", "ses", "sns"])
@pytest.mark.usefixtures("trusting")
def test_a_proxy_behind_tls_is_refused_by_the_name_of_the_setting(patch, transport, make):
    patch.setenv("HTTPS_PROXY", "https://ada:secret@proxy.example.com")
    create = getattr(Clients.connect(Settings(), threads=1), make)

    if transport == "boto3":
        create()
        return
    with pytest.raises(SettingsError, match="AWS_TRANSPORT=boto3") as refused:
        create()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("make", ["dynamodb", "poll"])
@pytest.mark.usefixtures("trusting")
def test_a_proxy_that_is_no_url_is_refused_by_the_name_of_the_setting(patch, transport, make):
    patch.setenv("HTTPS_PROXY", "http://proxy.example.com:80a")
    create = getattr(Clients.connect(Settings(), threads=1), make)

    if transport == "boto3":
        create()  # each request fails
        return
    with pytest.raises(SettingsError, match=r"HTTPS_PROXY: .*example\.com:80a"):
        create()


@pytest.mark.parametrize("call", [delete, recall, publish, mail])
def test_an_endpoint_may_end_in_a_slash(stub, patch, call):
    stub.body = DONE
    patch.setenv("AWS_ENDPOINT_URL", f"{stub.url}/")
    with suppress(Unavailable):  # the stub speaks no XML
        call(connect())

    assert {path for _, path, _ in stub.requests} == {"/"}
    assert stub.headers["Host"] == f"127.0.0.1:{stub.server_port}"


@pytest.mark.parametrize("call", [delete, recall, publish, mail])
def test_a_path_in_an_endpoint_needs_the_sdk(stub, patch, transport, call):
    stub.body = DONE
    patch.setenv("AWS_ENDPOINT_URL", f"{stub.url}/gateway")

    if transport == "boto3":
        with suppress(Unavailable):
            call(connect())
        assert {path for _, path, _ in stub.requests} == {"/gateway"}
        return
    with pytest.raises(SettingsError, match="AWS_TRANSPORT=boto3"):
        call(connect())
    assert stub.requests == []


@CALLS
def test_a_token_that_no_header_can_hold_is_an_outage(stub, patch, call):
    patch.setenv("AWS_ENDPOINT_URL", stub.url)
    patch.setenv("AWS_SESSION_TOKEN", "one\nline too many")

    with pytest.raises(Unavailable):
        call(connect())

    assert stub.requests == []
