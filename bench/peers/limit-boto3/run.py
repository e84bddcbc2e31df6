"""The limit: the smallest program that boto3 allows. Receives ten, deletes ten, handles none."""

import boto3
from handler import URL, WAIT

sqs = boto3.client("sqs")
while True:
    answer = sqs.receive_message(QueueUrl=URL, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT)
    if messages := answer.get("Messages"):
        sqs.delete_message_batch(
            QueueUrl=URL,
            Entries=[
                {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
                for position, message in enumerate(messages)
            ],
        )
