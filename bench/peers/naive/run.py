"""The textbook loop: receive ten, handle in order, delete one by one; one thread per slot."""

from threading import Thread

import boto3
from handler import CONCURRENCY, URL, WAIT, handle


def loop() -> None:
    """Receive, handle, delete."""
    sqs = boto3.session.Session().client("sqs")
    while True:
        answer = sqs.receive_message(QueueUrl=URL, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT)
        for message in answer.get("Messages", []):
            handle(message["Body"])
            sqs.delete_message(QueueUrl=URL, ReceiptHandle=message["ReceiptHandle"])


for _ in range(CONCURRENCY):
    Thread(target=loop).start()
