"""The stand-in server answers like SQS and injects faults on request."""

import asyncio
import json

import pytest

from bench.standin.faults import Faults
from bench.standin.http import Connection
from bench.standin.rush import Rush
from bench.standin.server import Server

URL = "http://127.0.0.1:1/000000000000/bench"


class Transport:
    """A transport that records what is written to it."""

    def __init__(self):
        self.written = b""
        self.aborted = False

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.aborted

    def abort(self):
        self.aborted = True


class Client:
    """A client with one connection, without a socket."""

    def __init__(self, server):
        self.connection = Connection(server.serve)
        self.transport = Transport()
        self.connection.connection_made(self.transport)

    def ask(self, target, fields):
        """Send a request, byte by byte, and return the answer's status and document."""
        body = json.dumps(fields).encode()
        head = f"POST / HTTP/1.1\r\nX-Amz-Target: {target}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.written = b""
        for byte in head.encode() + body:
            self.connection.data_received(bytes([byte]))
        head, _, answer = self.transport.written.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(answer)

    def sqs(self, action, **fields):
        return self.ask(f"AmazonSQS.{action}", {"QueueUrl": URL, **fields})


@pytest.fixture
def server():
    """A server with a queue, on a loop that never has to run."""

    async def make():
        made = Server(1, on_receive=lambda: None, on_drained=lambda: None)
        made.sqs.queue("bench")
        return made

    return asyncio.run(make())


@pytest.fixture
def client(server):
    return Client(server)


def test_a_message_has_the_attributes_that_were_requested(client):
    client.sqs("SendMessage", MessageBody="a")
    _, answer = client.sqs(
        "ReceiveMessage",
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )
    [message] = answer["Messages"]

    assert message["Body"] == "a"
    assert message["MD5OfBody"] == "0cc175b9c0f1b6a831c399e269772661"
    assert message["Attributes"] == {"ApproximateReceiveCount": "1"}
    assert client.sqs("DeleteMessage", ReceiptHandle=message["ReceiptHandle"]) == (200, {})


def test_a_batch_settles_entry_by_entry(client):
    client.sqs("SendMessage", MessageBody="a")
    [message] = client.sqs("ReceiveMessage")[1]["Messages"]
    handles = [message["ReceiptHandle"], "nonsense"]
    entries = [{"Id": str(at), "ReceiptHandle": handle} for at, handle in enumerate(handles)]
    status, answer = client.sqs("DeleteMessageBatch", Entries=entries)

    assert (status, answer["Successful"]) == (200, [{"Id": "0"}])
    assert [(f["Id"], f["Code"]) for f in answer["Failed"]] == [("1", "ReceiptHandleIsInvalid")]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(at)} for at in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "0"}, {"Id": "0"}], "BatchEntryIdsNotDistinct"),
    ],
)
def test_a_batch_that_sqs_refuses_is_refused(client, entries, code):
    status, answer = client.sqs("DeleteMessageBatch", Entries=entries)

    assert (status, answer["message"]) == (400, code)


def test_an_unknown_queue_is_refused(client):
    assert client.ask("AmazonSQS.ReceiveMessage", {"QueueUrl": "http://x/y"})[0] == 400


def test_every_request_is_counted_by_its_action(server, client):
    client.sqs("ReceiveMessage")
    client.ask("DynamoDB_20120810.TransactWriteItems", {})

    assert server.actions == {"SQS.ReceiveMessage": 1, "DynamoDB.TransactWriteItems": 1}


def test_a_throttled_request_does_nothing(server, client):
    client.sqs("SendMessage", MessageBody="a")
    server.faults = Faults(throttle_every=1)
    status, answer = client.sqs("ReceiveMessage")

    assert (status, answer["message"]) == (400, "RequestThrottled")
    assert server.sqs.queue("bench").queue.visible == 1


def test_a_lost_reply_leaves_the_work_done(server, client):
    client.sqs("SendMessage", MessageBody="a")
    [message] = client.sqs("ReceiveMessage")[1]["Messages"]
    server.faults = Faults(lose_every=1)
    with pytest.raises(IndexError):
        client.sqs("DeleteMessage", ReceiptHandle=message["ReceiptHandle"])

    assert client.transport.aborted
    assert server.sqs.queue("bench").queue.live == 0


def test_a_busy_loop_shows_as_requests_without_progress():
    rush = Rush()
    for turn in range(100):
        rush.note(turn / 1000, deleted=0)
    for turn in range(100):
        rush.note(1 + turn / 1000, deleted=turn)

    assert rush.most == 100
