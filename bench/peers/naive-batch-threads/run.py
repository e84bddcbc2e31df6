"""Receives ten, handles them in a pool, waits for all, deletes ten; one loop per ten slots."""

from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import boto3
from handler import CONCURRENCY, URL, WAIT, handle


def loop(slots: int) -> None:
    """Receive, handle, wait for the slowest, delete."""
    sqs = boto3.session.Session().client("sqs")
    with ThreadPoolExecutor(slots) as pool:
        while True:
            answer = sqs.receive_message(QueueUrl=URL, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT)
            if messages := answer.get("Messages"):
                list(pool.map(lambda message: handle(message["Body"]), messages))
                sqs.delete_message_batch(
                    QueueUrl=URL,
                    Entries=[
                        {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
                        for position, message in enumerate(messages)
                    ],
                )


threads = [Thread(target=loop, args=(min(CONCURRENCY, 10),)) for _ in range(-(-CONCURRENCY // 10))]
for thread in threads:
    thread.start()
for thread in threads:  # a pool refuses work once the main thread has ended
    thread.join()
