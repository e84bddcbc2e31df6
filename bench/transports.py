"""Compares ways of sending a request: ``python -m bench.transports``.

It prints the CPU time of one TransactWriteItems with two items, in ms, as the median of rounds.
The server is the stand-in, in a process of its own. ``awscrt`` takes part if it is installed.
"""

import http.client
import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from bench.standin.control import PREFIX
from workers.aws.clients import Clients
from workers.settings import Settings

ROUNDS: Final = 7
CALLS: Final = 300  # in a round
TRANSACTION: Final = {
    "TransactItems": [
        {"Put": {"TableName": "payment", "Item": {"pk": {"S": key}, "body": {"S": "x" * 700}}}}
        for key in ("inbox#order-api#1", "payment#1")
    ]
}
NEEDED: Final = {
    "queue": "payment",
    "visibility_timeout": 60.0,
    "faults": {},
    "topic": "order-events",
    "tables": ["payment"],
}
KEYS: Final = ("AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY")
REGION: Final = "eu-west-1"
HEADERS: Final = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "DynamoDB_20120810.TransactWriteItems",
}
Way = Callable[[], object]


def signed(url: str) -> AWSRequest:
    """Sign the request with the SDK's signer."""
    request = AWSRequest("POST", url, data=orjson.dumps(TRANSACTION), headers=HEADERS)
    SigV4Auth(ReadOnlyCredentials(*KEYS, None), "dynamodb", REGION).add_auth(request)
    return request


def ways(endpoint: str) -> Iterator[tuple[str, Way]]:
    """Return the ways of sending the request, by name."""
    url, place = f"{endpoint}/", urlsplit(endpoint)
    for transport in ("boto3", "wire"):
        client = Clients.connect(Settings(), threads=1, transport=transport).dynamodb()
        yield transport, lambda client=client: client.transact_write_items(**TRANSACTION)
    pool = urllib3.connection_from_url(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port)

    def by_urllib3() -> object:
        request = signed(url)
        headers = dict(request.headers.items())
        return orjson.loads(pool.urlopen("POST", "/", body=request.data, headers=headers).data)

    def by_http_client() -> object:
        request = signed(url)
        connection.request("POST", "/", request.data, dict(request.headers.items()))
        return orjson.loads(connection.getresponse().read())

    yield "signer", lambda: signed(url)
    yield "signer, urllib3", by_urllib3
    yield "signer, http.client", by_http_client
    try:
        yield "awscrt", by_awscrt(str(place.hostname), place.port)
    except ImportError:
        return


def by_awscrt(host: str, port: int | None) -> Way:
    """Sign and send with AWS's own runtime. Raises ``ImportError`` without it."""
    from awscrt import auth  # noqa: PLC0415 - not a dependency
    from awscrt import http as crt_http  # noqa: PLC0415
    from awscrt import io as crt  # noqa: PLC0415

    loops = crt.EventLoopGroup(1)
    bootstrap = crt.ClientBootstrap(loops, crt.DefaultHostResolver(loops))
    connection: Any = crt_http.HttpClientConnection.new(host, port, bootstrap).result()
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4,
        signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=auth.AwsCredentialsProvider.new_static(*KEYS),
        region=REGION,
        service="dynamodb",
    )

    def send() -> object:
        body, parts = orjson.dumps(TRANSACTION), []
        headers = {"Host": f"{host}:{port}", "Content-Length": str(len(body)), **HEADERS}
        request = crt_http.HttpRequest(
            "POST", "/", crt_http.HttpHeaders(list(headers.items())), io.BytesIO(body)
        )
        auth.aws_sign_request(request, config).result()
        stream = connection.request(
            request, on_body=lambda chunk, **_: parts.append(chunk), on_response=lambda **_: None
        )
        stream.activate()
        stream.completion_future.result()
        return orjson.loads(b"".join(parts))

    return send


@contextmanager
def standin() -> Iterator[str]:
    """Run the stand-in until the end of the block; return its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.standin"],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        try:
            port = int(server.stdout.readline()) if server.stdout else 0
            endpoint = f"http://127.0.0.1:{port}"
            urllib3.request("POST", f"{endpoint}{PREFIX}configure", json=NEEDED)
            yield endpoint
        finally:
            server.kill()


def main() -> None:
    """Measure all ways in turn, several rounds, and print the medians."""
    with standin() as endpoint:
        os.environ |= {
            "AWS_ACCESS_KEY_ID": KEYS[0],
            "AWS_SECRET_ACCESS_KEY": KEYS[1],
            "AWS_ENDPOINT_URL": endpoint,
        }
        compared = dict(ways(endpoint))
        taken: dict[str, list[float]] = {name: [] for name in compared}
        for number in range(ROUNDS + 1):  # the first is a warm-up
            for name, way in compared.items():
                started = time.process_time()
                for _ in range(CALLS):
                    way()
                if number:
                    taken[name].append((time.process_time() - started) / CALLS * 1000)
        for name, each in taken.items():
            low, high = min(each), max(each)
            print(f"{name:20} {statistics.median(each):.3f} ms ({low:.3f} to {high:.3f})")  # noqa: T201
    sys.stdout.flush()
    os._exit(0)  # threads of awscrt


if __name__ == "__main__":
    main()
