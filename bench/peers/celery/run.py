"""Celery on kombu's SQS transport: acks late (at least once), prefork pool, queue predefined.

https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/sqs.html
"""

import os

from celery import Celery
from handler import CONCURRENCY, QUEUE, URL, VISIBILITY_TIMEOUT, WAIT, handle

key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
app = Celery("bench", broker=f"sqs://{key}:{secret}@")
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "region": os.environ["AWS_REGION"],
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "wait_time_seconds": WAIT,
        "polling_interval": 0,
        "predefined_queues": {
            QUEUE: {"url": URL, "access_key_id": key, "secret_access_key": secret}
        },
    },
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_enable_remote_control=False,
)
app.task(name="tasks.work")(handle)
app.worker_main(
    [
        *("worker", "--loglevel", "ERROR", "--queues", QUEUE, "--concurrency", str(CONCURRENCY)),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
)
