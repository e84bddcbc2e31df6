"""The limit without boto3's client: the same ten lines on this project's own wire to SQS."""

from handler import URL, WAIT

from workers.aws.clients import Clients
from workers.settings import Settings

clients = Clients.connect(Settings.load(), threads=1)
poll, settle = clients.poll(), clients.settle()
while True:
    answer = poll.receive_message(QueueUrl=URL, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT)
    if messages := answer.get("Messages"):
        settle.delete_message_batch(
            QueueUrl=URL,
            Entries=[
                {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
                for position, message in enumerate(messages)
            ],
        )
