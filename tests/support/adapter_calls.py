"""One call of each adapter, for tests of what all clients have in common."""

from support.builders import a_message, encoded
from workers.aws import names
from workers.aws.dynamodb import DynamoStore
from workers.aws.outbox import Outbox
from workers.aws.ses import SesMailer
from workers.aws.simulated_gateway import SimulatedGateway
from workers.aws.sns import SnsTopic
from workers.aws.sqs import SqsQueue
from workers.runtime.ports import Failure
from workers.settings import Settings

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/payment-queue"
ARN = "arn:aws:sns:eu-west-1:123456789012:order-events"


class Once:
    """Caches clients: creating one takes longer than most tests."""

    def __init__(self, clients):
        self._clients = clients

    def __getattr__(self, name):
        client = getattr(self._clients, name)()
        setattr(self, name, lambda: client)
        return getattr(self, name)


def queue(clients):
    return SqsQueue(clients.poll(), clients.settle(), URL, f"{URL}-dlq", "payment", 60)


def receive(clients):
    queue(clients).receive(10, 0)


def delete(clients):
    _raise_code(queue(clients).delete(["handle"]))


def change_visibility(clients):
    _raise_code(queue(clients).change_visibility([("handle", 1)]))


def dead_letter(clients):
    queue(clients).dead_letter(a_message(), Failure("no", "malformed", 1))


def publish(clients):
    for error in SnsTopic(clients.sns(), ARN).publish([encoded()]).values():
        raise error


def recall(clients):
    DynamoStore(clients.dynamodb(), "payment").recall("order-api#1")


def read(clients):
    DynamoStore(clients.dynamodb(), "payment").begin("order-api#1").get("order#1")


def commit(clients):
    store = DynamoStore(clients.dynamodb(), "payment")
    store.commit(store.begin("order-api#1"), ())


def mail(clients):
    mailer = SesMailer(clients.ses(), "shop@example.com")
    mailer.send("ada@example.com", "Hello", "Hello", reference="event-1")


def sweep(clients):
    Outbox(clients.dynamodb(), "orders").waiting(0, 10)


def refund(clients):
    SimulatedGateway(clients.dynamodb(), "payment").refund("charge-1", idempotency_key="refund-1")


def find_queue(clients):
    names.queue_url(clients.control(), Settings(), "payment")


def find_topic(clients):
    names.topic_arn(clients.sns(), Settings(), "order-events")


def find_table(clients):
    names.table_name(clients.dynamodb(), Settings(), "payment")


BY_WIRE = [receive, delete, change_visibility, dead_letter]
BY_SDK = [
    publish,
    recall,
    read,
    commit,
    mail,
    sweep,
    refund,
    find_queue,
    find_topic,
    find_table,
]
EVERY_CALL = [*BY_WIRE, *BY_SDK]


def _raise_code(failures):
    for code in failures.values():
        raise LookupError(code)
