"""Implements the actions of SQS in its JSON protocol.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""

import asyncio
from collections.abc import Callable
from functools import partial
from time import time
from typing import Any

import orjson

from bench.standin.fifo import new_queue
from bench.standin.polls import Poll, Polls
from bench.standin.queue import InvalidHandle, NotInFlight, Stored

ACCOUNT = "000000000000"
BATCH = 10
Reply = Callable[[bytes], None]
Fields = dict[str, Any]


class Refused(Exception):
    """The request is refused with an error code of the API reference."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Sqs:
    """All queues."""

    def __init__(self, url: str, drained: Callable[[], None]) -> None:
        """Create no queues yet. ``drained`` is called when a delete leaves a queue empty."""
        self.queues: dict[str, Polls] = {}
        self._url = url
        self._drained = drained
        self._actions: dict[str, Callable[[Fields], Fields]] = {
            "ChangeMessageVisibility": self._hide,
            "ChangeMessageVisibilityBatch": partial(self._each, self._hide),
            "CreateQueue": self._create,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": partial(self._each, self._delete),
            "GetQueueAttributes": self._attributes,
            "GetQueueUrl": self._url_by_name,
            "ListQueues": self._list,
            "SendMessage": self._send,
            "SendMessageBatch": partial(self._each, self._send),
            "SetQueueAttributes": lambda _: {},
        }

    def queue(self, name: str) -> Polls:
        """Return a queue, created if needed."""
        if name not in self.queues:
            self.queues[name] = Polls(new_queue(name), asyncio.get_running_loop())
        return self.queues[name]

    def act(self, action: str, fields: Fields, reply: Reply) -> Poll | None:
        """Execute an action and answer it, later if a poll is returned. Raises ``Refused``."""
        if action == "ReceiveMessage":
            return self._receive(fields, reply)
        if action not in self._actions:
            raise Refused("UnsupportedOperation")
        reply(orjson.dumps(self._actions[action](fields)))
        return None

    def _receive(self, fields: Fields, reply: Reply) -> Poll | None:
        polls = self._polls(fields)
        wanted = {
            *(fields.get("AttributeNames") or ()),
            *(fields.get("MessageSystemAttributeNames") or ()),
        }

        def answer(messages: list[Stored]) -> None:
            encoded = b",".join(_encode(message, wanted) for message in messages)
            reply(b'{"Messages":[' + encoded + b"]}" if messages else b"{}")

        return polls.receive(
            min(int(fields.get("MaxNumberOfMessages") or 1), BATCH),
            _number(fields, "VisibilityTimeout", polls.queue.visibility_timeout),
            _number(fields, "WaitTimeSeconds", polls.queue.wait),
            answer,
        )

    def _delete(self, fields: Fields) -> Fields:
        polls = self._polls(fields)
        queue = polls.queue
        try:
            queue.delete(fields["ReceiptHandle"], time())
        except InvalidHandle:
            raise Refused("ReceiptHandleIsInvalid") from None
        if queue.live == 0:
            self._drained()
        elif queue.visible:  # of a FIFO queue: the rest of the group
            polls.wake()
        return {}

    def _hide(self, fields: Fields) -> Fields:
        polls = self._polls(fields)
        try:
            polls.queue.hide(fields["ReceiptHandle"], float(fields["VisibilityTimeout"]), time())
        except InvalidHandle:
            raise Refused("ReceiptHandleIsInvalid") from None
        except NotInFlight:
            raise Refused("MessageNotInflight") from None
        polls.wake()
        return {}

    def _send(self, fields: Fields) -> Fields:
        polls = self._polls(fields)
        message = polls.queue.send(fields["MessageBody"], time())
        polls.wake()
        sent = orjson.loads(b"{" + message.encoded + b"}")
        return {"MessageId": sent["MessageId"], "MD5OfMessageBody": sent["MD5OfBody"]}

    def _each(self, one: Callable[[Fields], Fields], fields: Fields) -> Fields:
        """Apply an action to each entry of a batch."""
        entries = fields["Entries"]
        if not entries:
            raise Refused("EmptyBatchRequest")
        if len(entries) > BATCH:
            raise Refused("TooManyEntriesInBatchRequest")
        if len({entry["Id"] for entry in entries}) < len(entries):
            raise Refused("BatchEntryIdsNotDistinct")
        done, failed = [], []
        for entry in entries:
            try:
                answer = one({"QueueUrl": fields["QueueUrl"], **entry})
                done.append({"Id": entry["Id"], **answer})
            except Refused as error:
                failed.append({"Id": entry["Id"], "Code": error.code, "SenderFault": True})
        return {"Successful": done, "Failed": failed} if failed else {"Successful": done}

    def _create(self, fields: Fields) -> Fields:
        queue = self.queue(fields["QueueName"]).queue
        return {"QueueUrl": self.url_of(queue.name)}

    def _url_by_name(self, fields: Fields) -> Fields:
        if fields["QueueName"] not in self.queues:
            raise Refused("QueueDoesNotExist")
        return {"QueueUrl": self.url_of(fields["QueueName"])}

    def _list(self, fields: Fields) -> Fields:
        prefix = fields.get("QueueNamePrefix") or ""
        return {"QueueUrls": [self.url_of(name) for name in self.queues if name.startswith(prefix)]}

    def _attributes(self, fields: Fields) -> Fields:
        queue = self._polls(fields).queue
        attributes = {
            "QueueArn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{queue.name}",
            "VisibilityTimeout": f"{queue.visibility_timeout:.0f}",
            "ReceiveMessageWaitTimeSeconds": f"{queue.wait:.0f}",
            "ApproximateNumberOfMessages": f"{queue.visible}",
            "ApproximateNumberOfMessagesNotVisible": f"{queue.in_flight}",
            "ApproximateNumberOfMessagesDelayed": "0",
        }
        return {"Attributes": attributes}

    def url_of(self, name: str) -> str:
        """Return the URL of a queue."""
        return f"{self._url}/{ACCOUNT}/{name}"

    def _polls(self, fields: Fields) -> Polls:
        try:
            return self.queues[fields["QueueUrl"].rpartition("/")[2]]
        except KeyError:
            raise Refused("QueueDoesNotExist") from None


def _encode(message: Stored, wanted: set[str]) -> bytes:
    attributes = {
        "ApproximateReceiveCount": f"{message.receives}",
        "ApproximateFirstReceiveTimestamp": f"{message.first_received_at * 1000:.0f}",
        "SenderId": "AIDAEXAMPLE",
        "SentTimestamp": f"{message.sent_at * 1000:.0f}",
    }
    if message.group:
        attributes["MessageGroupId"] = message.group
    if "All" not in wanted:
        attributes = {name: value for name, value in attributes.items() if name in wanted}
    tail = b',"Attributes":' + orjson.dumps(attributes) if attributes else b""
    handle = message.handle.encode()
    return b"{" + message.encoded + b',"ReceiptHandle":"' + handle + b'"' + tail + b"}"


def _number(fields: Fields, name: str, default: float) -> float:
    value = fields.get(name)
    return default if value is None else float(value)
