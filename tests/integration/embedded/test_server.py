"""The embedded AWS runs as a process with its own lifetime."""

import http.client
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

import boto3
import pytest
from support.aws_calls import CONFIG, bodies, client
from support.eventually import eventually

from local.aws.embedded import EmbeddedAws, EmbeddedAwsError

pytestmark = pytest.mark.integration


def test_a_queue_url_is_an_address_of_the_endpoint(aws, queue):
    assert queue.startswith(f"{aws.url}/")


def test_requests_are_counted_by_operation_and_queue(aws, sqs, queue):
    before = aws.requests()["total"]
    sqs.send_message(QueueUrl=queue, MessageBody='{"QueueUrl": "http://other/queue"}')
    bodies(sqs, queue)
    bodies(sqs, queue)
    counts = aws.requests()
    assert counts["total"] >= before + 3
    assert counts["services"]["sqs"]["SendMessage"] >= 1
    assert counts["queues"][queue.rpartition("/")[2]] == {
        "ReceiveMessage": 2,
        "SendMessage": 1,
    }


def test_mails_can_be_read(aws):
    sender, subject = f"{uuid4()}@example.com", "Thank you"
    ses = client("ses")
    ses.verify_email_identity(EmailAddress=sender)
    ses.send_email(
        Source=sender,
        Destination={"ToAddresses": ["to@example.com"]},
        Message={"Subject": {"Data": subject}, "Body": {"Text": {"Data": "Hi"}}},
    )
    [mail] = [mail for mail in aws.mails() if mail["from"] == sender]
    assert mail | {"id": ""} == {
        "id": "",
        "from": sender,
        "to": ["to@example.com"],
        "subject": subject,
        "body": "Hi",
    }


def test_other_aws_services_are_available(aws):
    assert aws.url
    assert client("sts").get_caller_identity()["Account"].isdigit()
    assert client("ec2").describe_vpcs()["Vpcs"]


def test_many_open_connections_do_not_wait_for_each_other(aws):
    host = aws.url.removeprefix("http://")
    connections = [http.client.HTTPConnection(host, timeout=10) for _ in range(150)]
    for _ in range(2):
        for connection in connections:
            connection.request("GET", "/_embedded/health")
            answer = connection.getresponse()
            assert (answer.read() != b"", answer.will_close) == (True, False)
    for connection in connections:
        connection.close()


def test_cpu_time_is_reported(aws):
    before = aws.cpu_seconds()
    assert before > 0
    eventually(lambda: aws.requests() and aws.cpu_seconds() > before)


def test_open_polls_do_not_hold_up_the_stop(monkeypatch):
    monkeypatch.setattr("local.aws.embedded._STOP_TIMEOUT", 15)  # s; the polls wait 20 s
    with EmbeddedAws() as embedded, ThreadPoolExecutor(10) as threads:
        credentials = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        sqs = boto3.Session(region_name="eu-west-1", **credentials).client(
            "sqs", endpoint_url=embedded.url, config=CONFIG
        )
        url = sqs.create_queue(QueueName="idle")["QueueUrl"]
        polls = [
            threads.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20) for _ in range(10)
        ]
        arrived = lambda: embedded.requests()["queues"]["idle"].get("ReceiveMessage")  # noqa: E731
        eventually(lambda: arrived() == 10)
        embedded.stop()
        assert embedded._process.returncode != -signal.SIGKILL  # noqa: SLF001 - there is no public way
        assert all(poll.exception() for poll in polls)


def test_a_port_in_use_is_named_in_the_error(aws):
    port = int(aws.url.rpartition(":")[2])
    with pytest.raises(EmbeddedAwsError, match=str(port)):
        EmbeddedAws(port=port).start()


def test_it_dies_with_the_process_that_started_it():
    program = (
        "import sys\nfrom local.aws.embedded import EmbeddedAws\n"
        "with EmbeddedAws() as aws:\n    print(aws.url, flush=True)\n    sys.stdin.read()"
    )
    parent = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        port = int(parent.stdout.readline().rpartition(b":")[2])
        assert answers(port)
        os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: not answers(port))


def answers(port):
    try:
        with urlopen(f"http://127.0.0.1:{port}/_embedded/health", timeout=5) as reply:
            return reply.status == 200
    except (URLError, OSError):
        return False
