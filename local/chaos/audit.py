"""An extra subscriber of the topic that records every delivery."""

from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Final, Self

import orjson

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.errors import SDK_ERRORS
from workers.aws.sqs import depth
from workers.provision.messaging import Messaging
from workers.settings import Settings
from workers.topology import Topology

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

NAME: Final = "audit"
WAIT: Final = 1  # s of one poll, which occupies a thread of the embedded AWS
VISIBILITY_TIMEOUT: Final = 5  # s; messages of a lost answer come back soon
RETRY_PAUSE: Final = 0.2  # s of pause after a failed poll


class Audit:
    """Records the body of every delivery during a ``with`` block."""

    def __init__(
        self, clients: Clients, settings: Settings, topology: Topology, path: Path
    ) -> None:
        self.bodies: list[str] = []
        self._sqs: SQSClient = clients.control()
        self._url = _subscribed(self._sqs, clients.sns(), settings, topology)
        self._file = path.open("wb")
        self._over = Flag()
        self._thread = Thread(target=self._listen, name="audit", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._file.close()

    def _listen(self) -> None:
        """Receive until the block has ended and the queue is empty."""
        while True:
            over = self._over.is_set()
            try:
                heard = self._poll()
            except SDK_ERRORS:
                self._over.wait(RETRY_PAUSE)
                continue
            if over and not heard and not self._left():
                return

    def _left(self) -> int:
        left = depth(self._sqs, self._url)
        return left.visible + left.in_flight

    def _poll(self) -> int:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=VISIBILITY_TIMEOUT,
            WaitTimeSeconds=WAIT,
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self.bodies.append(message["Body"])
            self._file.write(orjson.dumps(message["Body"]) + b"\n")
        if messages:
            self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]}
                    for i, m in enumerate(messages)
                ],
            )
        return len(messages)


def _subscribed(sqs: "SQSClient", sns: "SNSClient", settings: Settings, topology: Topology) -> str:
    """Create the audit queue for all events of the topology. Returns its URL."""
    like = next(iter(topology.services.values()))
    everything = like.model_copy(update={"consumes": topology.events})
    messaging = Messaging(sqs, sns, settings.name_prefix, topology, lambda _: None)
    arn = names.topic_arn(sns, settings, topology.topic_name)
    urls = messaging.ensure_consumer(NAME, everything, arn)
    return urls[settings.name_prefix + topology.queue_name(NAME)]
