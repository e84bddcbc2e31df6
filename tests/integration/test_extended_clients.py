"""AWS's own libraries for large messages read what a worker writes, and the other way round.

https://github.com/awslabs/amazon-sqs-python-extended-client-lib
https://github.com/awslabs/amazon-sns-python-extended-client-lib
"""

from uuid import uuid4

import pytest
from support.aws_calls import create_table, subscribe
from support.extended_clients import call
from support.harness import Harness
from support.reports import Reviewed, Reviews, a_cause, decode

from workers.aws.clients import Clients
from workers.aws.dynamodb import DynamoStore
from workers.aws.payloads import S3Payloads
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue
from workers.envelope import MAX_BODY_BYTES
from workers.limits import MAX_PUBLISH_BYTES
from workers.pointer import SIZE, pointer_in
from workers.runtime.payloads import MAX_PAYLOAD_BYTES
from workers.settings import Settings

pytestmark = pytest.mark.integration

THEIR_LARGE = "x" * MAX_PUBLISH_BYTES


class System:
    """Two topics, each with a queue, a table and a bucket; ``worker`` goes from one to the other.

    The topic of causes is theirs to publish to, the queue of outcomes theirs to receive from.
    """

    def __init__(self):
        clients = Clients.connect(Settings(stop_timeout=11), threads=2)
        self.sqs, self.s3 = clients.control(), clients.s3()
        sns, dynamodb = clients.sns(), clients.dynamodb()
        region, self.bucket = self.s3.meta.region_name, f"payloads-{uuid4()}"
        where = {"LocationConstraint": region}
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)
        self.causes, self.cause_queue = self.topic(sns)
        self.outcomes, self.outcome_queue = self.topic(sns)
        dlq = self.sqs.create_queue(QueueName=f"dlq-{uuid4()}")["QueueUrl"]
        queue = SqsQueue(clients.poll(), clients.settle(), self.cause_queue, dlq, "review", 60)
        account = self.causes.split(":")[4]
        self.worker = Harness(
            Reviews(),
            queue=queue,
            topic=SnsTopic(sns, self.outcomes),
            store=DynamoStore(dynamodb, create_table(dynamodb)),
            payloads=S3Payloads(self.s3, self.bucket, account),
            decode=decode,
        )

    def topic(self, sns):
        arn = sns.create_topic(Name=f"topic-{uuid4()}")["TopicArn"]
        url = self.sqs.create_queue(QueueName=f"queue-{uuid4()}")["QueueUrl"]
        subscribe(self.sqs, sns, arn, url)
        return arn, url

    def objects(self):
        return self.s3.list_objects_v2(Bucket=self.bucket).get("KeyCount")

    def work(self):
        """Handle one message; return how often its report took effect."""
        self.worker.round()
        document = self.worker.store.begin("reader").get("effect#report-1")
        return document["times"] if document else 0


@pytest.fixture
def system(aws_endpoint):
    assert aws_endpoint
    return System()


def publish(system, cause, **options):
    """Publish a cause with their client for SNS."""
    arguments = {"TopicArn": system.causes, "Message": cause.encode()}
    call("sns", "publish", arguments, large_payload_support=system.bucket, **options)


def send(system, cause, **options):
    """Send a cause straight to the queue with their client for SQS."""
    arguments = {"QueueUrl": system.cause_queue, "MessageBody": cause.encode()}
    call("sqs", "send_message", arguments, large_payload_support=system.bucket, **options)


def test_a_worker_reads_theirs_and_their_client_reads_its_outcome(system):
    publish(system, a_cause("☃" * 100_000))
    assert system.objects() == 1

    assert system.work() == 1

    where = {"QueueUrl": system.outcome_queue}
    [message] = call("sqs", "receive_message", where)["Messages"]
    outcome = decode(message["Body"], limit=MAX_PAYLOAD_BYTES)
    assert outcome.data == Reviewed(report_id="report-1", text="☃" * 100_000)
    call("sqs", "delete_message", where | {"ReceiptHandle": message["ReceiptHandle"]})
    assert system.objects() == 2


def test_their_client_finds_the_attribute_and_the_class_that_it_expects(system):
    """Read without the library: what it relies on is on the wire, and filters find the type."""
    publish(system, a_cause(THEIR_LARGE))
    system.work()

    [message] = system.sqs.receive_message(
        QueueUrl=system.outcome_queue, MessageAttributeNames=["All"]
    )["Messages"]
    attributes = message["MessageAttributes"]
    pointer = pointer_in(message["Body"])
    size = system.s3.head_object(Bucket=system.bucket, Key=pointer.key)["ContentLength"]
    assert attributes[SIZE] == {"DataType": "Number", "StringValue": str(size)}
    assert attributes["eventType"]["StringValue"] == "report.reviewed"
    assert len(attributes) <= 10


@pytest.mark.parametrize("legacy", [False, True])
def test_a_worker_reads_what_their_sqs_client_sends(system, legacy):
    send(system, a_cause(THEIR_LARGE), use_legacy_attribute=legacy)
    assert system.objects() == 1
    assert system.work() == 1


def test_a_worker_reads_what_their_clients_send_through_s3_though_it_is_small(system):
    publish(system, a_cause(), always_through_s3=True)
    assert system.objects() == 1
    assert system.work() == 1


def test_a_worker_reads_what_their_client_still_sends_as_a_message(system):
    """Their limit is that of SNS without attributes; ours leaves room for them."""
    cause = a_cause("x" * MAX_BODY_BYTES)
    assert MAX_BODY_BYTES < len(cause.encode()) < MAX_PUBLISH_BYTES
    send(system, cause)
    assert system.objects() == 0
    assert system.work() == 1
