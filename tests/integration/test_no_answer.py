"""A missing or unreadable response from AWS is an outage, never an error of the message."""

from threading import Barrier, Thread
from time import monotonic

import boto3
import pytest
from botocore.config import Config
from support.builders import encoded

from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.ses import SesMailer
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue
from workers.aws.wire import SqsWire
from workers.runtime.errors import Unavailable
from workers.settings import Settings

pytestmark = pytest.mark.integration

TIMEOUT = 0.2
ONCE = Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 1})


def client(service, url):
    """Create a client with short timeouts and a single attempt."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=ONCE,
    )


def receive(url):
    sqs = client("sqs", url)
    SqsQueue(sqs, sqs, f"{url}/1/queue", f"{url}/1/dlq", "payment", 60).receive(10, 0)


def delete(url):
    sqs = client("sqs", url)
    SqsQueue(sqs, sqs, f"{url}/1/queue", f"{url}/1/dlq", "payment", 60).delete(["handle"])


def a_wire(url):
    """Create the receive loop's SQS client with the same short timeouts."""
    session = boto3.Session("test", "test", region_name="eu-west-1")
    return SqsWire.like(
        session,
        session.client("sqs", endpoint_url=url, config=ONCE),
    )


def receive_by_wire(url):
    wire = a_wire(url)
    SqsQueue(wire, wire, f"{url}/1/queue", f"{url}/1/dlq", "payment", 60).receive(10, 0)


def publish(url):
    topic = SnsTopic(client("sns", url), "arn:aws:sns:eu-west-1:1:order-events")
    raise topic.publish([encoded()])[0]


def commit(url):
    store = DynamoStore(client("dynamodb", url), "payment")
    store.commit(store.begin("order-api#1"), ())


def mail(url):
    mailer = SesMailer(client("ses", url), "shop@example.com")
    mailer.send("ada@example.com", "Hello", "Hello", reference="event-1")


ANY_CALL = pytest.mark.parametrize(
    "call", [receive, receive_by_wire, delete, publish, commit, mail]
)


@ANY_CALL
def test_a_refused_connection_is_an_outage(call, unreachable_url):
    with pytest.raises(Unavailable):
        call(unreachable_url)


@ANY_CALL
def test_silence_is_an_outage_after_the_timeout(call, stub):
    stub.silent = True
    started = monotonic()

    with pytest.raises(Unavailable):
        call(stub.url)

    assert monotonic() - started < 30  # the SDK's default is 60 s


@pytest.fixture
def clients(stub, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", stub.url)
    return Clients.connect(Settings(), threads=16)


def test_half_a_response_is_an_outage_and_not_a_missing_document(stub, clients):
    stub.body, stub.cut = b'{"Item": {"pk": {"S": "inbox#order', True

    with pytest.raises(Unavailable):
        DynamoStore(clients.dynamodb(), "payment").recall("order-api#1")


def test_half_a_batch_is_an_outage_and_not_an_empty_queue(stub):
    stub.body, stub.cut = b'{"Messages": [{"MessageId', True

    with pytest.raises(Unavailable):
        receive_by_wire(stub.url)


def test_an_html_page_is_not_an_empty_queue(stub):
    stub.body = b"<html>welcome to the hotel</html>"

    with pytest.raises(Unavailable):
        receive_by_wire(stub.url)


def test_a_request_is_signed_as_the_sdk_signs(stub):
    """The signature covers body, host and target, so that none can be changed in transit."""
    receive_by_wire(stub.url)

    told, stub.headers = stub.headers, {}
    signed = told["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"content-type", "host", "x-amz-date", "x-amz-target"} <= set(signed)
    receive(stub.url)  # the SDK's own client
    assert told["X-Amz-Target"] == stub.headers["X-Amz-Target"]
    assert told["Content-Type"] == stub.headers["Content-Type"]


@ANY_CALL
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_page_of_a_proxy_is_an_outage(call, stub, status):
    stub.status, stub.body = status, b"<html>sorry</html>"

    with pytest.raises(Unavailable):
        call(stub.url)


def test_the_sdk_does_not_repeat_a_failed_poll(stub, clients):
    stub.status = 500
    queue = SqsQueue(clients.poll(), clients.settle(), stub.url, stub.url, "payment", 60)

    with pytest.raises(Unavailable):
        queue.receive(10, 0)

    assert len(stub.requests) == 1


def test_no_thread_waits_for_a_connection(stub, clients, caplog):
    """Case 45."""
    queue = SqsQueue(clients.poll(), clients.settle(), stub.url, stub.url, "payment", 60)
    barrier = Barrier(16, timeout=10)

    def poll():
        barrier.wait()
        queue.receive(10, 0)

    threads = [Thread(target=poll) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(stub.requests) == 16
    assert "pool is full" not in caplog.text
