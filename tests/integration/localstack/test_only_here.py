"""LocalStack has features that the embedded AWS lacks: ``make test-localstack`` runs these."""

import json
from uuid import uuid4

import pytest
from support.aws_calls import bodies, client
from support.builders import an_envelope, an_order, encoded
from support.eventually import eventually

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.redrive import redrive
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue, depth
from workers.runtime.ports import Failure
from workers.topology import Topology

pytestmark = pytest.mark.integration

PATIENCE = 20  # s


@pytest.fixture
def clients(provisioned):
    return Clients.connect(provisioned, threads=2)


@pytest.fixture
def sqs(clients):
    return clients.control()


@pytest.fixture
def queue(clients, sqs, provisioned):
    """Return a function that finds a service's queue."""

    def queue(service):
        return SqsQueue(
            clients.poll(),
            clients.settle(),
            url=names.queue_url(sqs, provisioned, service),
            dlq_url=names.dlq_url(sqs, provisioned, service),
            service=service,
            visibility_timeout=60,
        )

    return queue


def test_a_redrive_uses_a_move_task_and_keeps_the_bodies(sqs, queue):
    payment = queue("payment")
    sent = [an_envelope(an_order(order_id=f"order-{n}")).encode() for n in range(12)]
    for body in sent:
        sqs.send_message(QueueUrl=payment.url, MessageBody=body)
    while received := payment.receive(10, 1):
        for message in received:
            payment.dead_letter(message, Failure("no", "transient", 3))
        payment.delete([message.receipt_handle for message in received])

    assert redrive(sqs, payment.dlq_url, payment.url) == len(sent)

    dlq_arn = sqs.get_queue_attributes(QueueUrl=payment.dlq_url, AttributeNames=["QueueArn"])
    (task,) = sqs.list_message_move_tasks(SourceArn=dlq_arn["Attributes"]["QueueArn"])["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", len(sent))
    assert depth(sqs, payment.dlq_url).visible == 0
    found = []
    while batch := payment.receive(10, 1):
        found += [message.body for message in batch]
    assert sorted(found) == sorted(sent)


def test_undeliverable_messages_go_to_the_dead_letter_queue(sqs, clients, queue, provisioned):
    payment, inventory = queue("payment"), queue("inventory")
    sqs.delete_queue(QueueUrl=payment.url)
    event = encoded(an_order())
    sns = clients.sns()
    arn = names.topic_arn(sns, provisioned, Topology.load().topic)

    assert SnsTopic(sns, arn).publish([event]) == {}

    eventually(lambda: depth(sqs, payment.dlq_url).visible == 1, PATIENCE)
    assert bodies(sqs, payment.dlq_url) == [event.body]
    eventually(lambda: depth(sqs, inventory.url).visible == 1, PATIENCE)


def _arn(sqs, url):
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return found["Attributes"]["QueueArn"]


def test_sqs_dead_letters_messages_that_were_received_too_often(sqs, queue):
    payment = queue("payment")
    sent = sqs.send_message(QueueUrl=payment.url, MessageBody="poison")["MessageId"]
    allowed = 3
    policy = {"deadLetterTargetArn": _arn(sqs, payment.dlq_url), "maxReceiveCount": allowed}
    sqs.set_queue_attributes(QueueUrl=payment.url, Attributes={"RedrivePolicy": json.dumps(policy)})
    for count in range(1, allowed + 1):
        (message,) = payment.receive(1, 5)
        assert message.receive_count == count
        payment.change_visibility([(message.receipt_handle, 0)])

    assert payment.receive(1, 2) == []
    (dead,) = sqs.receive_message(QueueUrl=payment.dlq_url, WaitTimeSeconds=2)["Messages"]
    assert (dead["MessageId"], dead["Body"]) == (sent, "poison")


# Expired receipt handles: a standard queue still deletes; a FIFO queue refuses, and the adapter
# must report that as an error of the entry, not as an outage.


def test_the_queues_in_the_map_are_standard_queues(sqs, queue):
    for service in Topology.load().consumers:
        for url in (queue(service).url, queue(service).dlq_url):
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            assert "FifoQueue" not in found


def test_a_delete_after_the_visibility_timeout_still_deletes(sqs, queue):
    payment = queue("payment")
    sqs.send_message(QueueUrl=payment.url, MessageBody="late")
    (message,) = payment.receive(1, 1)
    payment.change_visibility([(message.receipt_handle, 1)])
    eventually(lambda: depth(sqs, payment.url).visible == 1, PATIENCE)

    assert payment.delete([message.receipt_handle]) == {}

    assert payment.receive(1, 2) == []


def test_a_fifo_queue_reports_an_expired_handle_in_its_entry(clients, sqs):
    url = client("sqs").create_queue(QueueName=f"{uuid4()}.fifo", Attributes={"FifoQueue": "true"})[
        "QueueUrl"
    ]
    fifo = SqsQueue(clients.poll(), clients.settle(), url, url, "payment", visibility_timeout=2)
    for body in ("late", "punctual"):
        sqs.send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId=body, MessageDeduplicationId=body
        )
    late, punctual = sorted(fifo.receive(10, 1), key=lambda message: message.body)
    fifo.change_visibility([(punctual.receipt_handle, 60)])
    eventually(lambda: depth(sqs, url).visible == 1, PATIENCE)

    refused = fifo.delete([late.receipt_handle, punctual.receipt_handle])

    assert list(refused) == [0]
    assert refused[0].startswith("InvalidParameterValue")  # LocalStack adds "Exception"
