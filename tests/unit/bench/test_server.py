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
    client.ask("DynamoDB_20120810.GetItem", {"TableName": "gone"})

    assert server.actions == {"SQS.ReceiveMessage": 1, "DynamoDB.GetItem": 1}


def test_a_throttled_request_does_nothing(server, client):
    client.sqs("SendMessage", MessageBody="a")
    server.faults = Faults(throttle=1.0)
    status, answer = client.sqs("ReceiveMessage")

    assert (status, answer["message"]) == (400, "RequestThrottled")
    assert server.sqs.queue("bench").queue.visible == 1


def test_a_lost_reply_leaves_the_work_done(server, client):
    client.sqs("SendMessage", MessageBody="a")
    [message] = client.sqs("ReceiveMessage")[1]["Messages"]
    server.faults = Faults(lose=1.0)
    with pytest.raises(IndexError):
        client.sqs("DeleteMessage", ReceiptHandle=message["ReceiptHandle"])

    assert client.transport.aborted
    assert server.sqs.queue("bench").queue.live == 0


@pytest.mark.parametrize(
    ("end", "code"), [("DeleteMessage", ""), ("ReceiveMessage", "InvalidParameterValue")]
)
def test_a_stale_handle_is_refused_as_sqs_does(client, end, code):
    """A standard queue accepts a delete with it; for a change of visibility it is invalid."""
    client.sqs("SendMessage", MessageBody="a")
    [message] = client.sqs("ReceiveMessage", VisibilityTimeout=0)[1]["Messages"]
    stale = message["ReceiptHandle"]
    client.sqs("ReceiveMessage")
    if end == "DeleteMessage":
        assert client.sqs(end, ReceiptHandle=stale) == (200, {})
        return
    entry = {"Id": "0", "ReceiptHandle": stale, "VisibilityTimeout": 30}
    _, answer = client.sqs("ChangeMessageVisibilityBatch", Entries=[entry])

    assert answer["Failed"][0]["Code"] == code


def test_an_entry_that_fails_is_not_executed_and_not_the_senders_fault(server, client):
    client.sqs("SendMessage", MessageBody="a")
    [message] = client.sqs("ReceiveMessage")[1]["Messages"]
    server.faults = Faults(fail_entries=1.0)
    entry = {"Id": "0", "ReceiptHandle": message["ReceiptHandle"]}
    _, answer = client.sqs("DeleteMessageBatch", Entries=[entry])

    assert answer["Failed"] == [{"Id": "0", "Code": "InternalError", "SenderFault": False}]
    assert server.sqs.queue("bench").queue.live == 1


def test_a_short_receive_returns_fewer_messages_than_there_are(server, client):
    for _ in range(10):
        client.sqs("SendMessage", MessageBody="a")
    server.faults = Faults(short_receives=1.0)
    messages = client.sqs("ReceiveMessage", MaxNumberOfMessages=10)[1]["Messages"]

    assert 0 < len(messages) < 10


def test_faults_hit_the_same_requests_of_an_action_whatever_else_is_asked():
    deletes = [Faults(throttle=0.5, seed=3) for _ in range(2)]
    alone = [deletes[0].throttles("DeleteMessageBatch") for _ in range(50)]
    mixed = []
    for _ in range(50):
        deletes[1].throttles("ReceiveMessage")
        mixed.append(deletes[1].throttles("DeleteMessageBatch"))

    assert mixed == alone
    other = Faults(throttle=0.5, seed=4)
    assert [other.throttles("DeleteMessageBatch") for _ in range(50)] != alone
    assert deletes[0].counts == {"throttled DeleteMessageBatch": sum(alone)}


def test_a_busy_loop_shows_as_requests_without_progress():
    rush = Rush()
    for turn in range(100):
        rush.note(turn / 1000, deleted=0)
    for turn in range(100):
        rush.note(1 + turn / 1000, deleted=turn)

    assert rush.most == 100
