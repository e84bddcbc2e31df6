"""Powertools' batch processor in threads, as teams use it to move a Lambda consumer to a worker.

https://docs.aws.amazon.com/powertools/python/latest/utilities/batch/
"""

from threading import Thread
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from handler import CONCURRENCY, QUEUE, URL, WAIT, handle


def record_handler(record: SQSRecord) -> None:
    """Handle one record."""
    handle(record.body)


def loop() -> None:
    """Receive, process, delete the messages that did not fail."""
    sqs = boto3.session.Session().client("sqs")
    processor = BatchProcessor(event_type=EventType.SQS)
    while True:
        answer = sqs.receive_message(
            QueueUrl=URL,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=WAIT,
            MessageSystemAttributeNames=["All"],
        )
        messages = answer.get("Messages")
        if not messages:
            continue
        try:
            outcome = process_partial_response(
                event={"Records": [_record(message) for message in messages]},
                record_handler=record_handler,
                processor=processor,
                context=None,
            )
        except BatchProcessingError:  # every record failed
            continue
        failed = {item["itemIdentifier"] for item in outcome["batchItemFailures"]}
        entries = [
            {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
            for position, message in enumerate(messages)
            if message["MessageId"] not in failed
        ]
        sqs.delete_message_batch(QueueUrl=URL, Entries=entries)


def _record(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as Lambda delivers it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:000000000000:{QUEUE}",
        "awsRegion": "eu-west-1",
    }


for _ in range(CONCURRENCY):
    Thread(target=loop).start()
