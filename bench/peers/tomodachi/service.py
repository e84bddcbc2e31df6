"""The service that ``run.py`` passes to tomodachi."""

import os

import tomodachi
from handler import ENDPOINT, QUEUE, handle_async


class Service(tomodachi.Service):
    """Consumes the queue."""

    name = "bench"
    options = {  # noqa: RUF012 - tomodachi's way
        "aws_endpoint_urls": {"sqs": ENDPOINT, "sns": ENDPOINT},
        "aws_sns_sqs": {
            "region_name": os.environ["AWS_REGION"],
            "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        },
    }

    @tomodachi.aws_sns_sqs(
        queue_name=QUEUE, competing=True, max_number_of_consumed_messages=10, message_envelope=None
    )
    async def work(self, message: str) -> None:
        """Handle one message."""
        await handle_async(message)
