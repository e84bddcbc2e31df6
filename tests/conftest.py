"""What every kind of test may ask for."""

import pytest


@pytest.fixture(scope="session")
def aws_endpoint():
    """Start an embedded AWS; gives its URL, and points the SDK's environment at it."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow, and unit tests need none

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_ENDPOINT_URL", url)
        yield url
    server.stop()
