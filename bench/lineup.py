"""The peers: program, packages and wire format of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from bench import messages
from bench.messages import Wire

BOTO3 = f"boto3=={version('boto3')}"  # the version that this project pins
LIMIT = "limit-boto3"
WIRE = "limit-wire"
_SHOPS = ("order", "api")  # scenarios in which a peer is a shop, not a consumer of one queue


@dataclass(frozen=True)
class Peer:
    """A program that consumes the queue.

    With ``packages`` it runs in an environment of its own, else in the project's environment.
    """

    name: str
    folder: str
    packages: tuple[str, ...] = ()
    wire: Wire = messages.raw
    queue: str = "bench"
    environment: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0  # of the messages, in scenarios where slow peers would take minutes
    module: str = ""  # run with -m instead of the folder's run.py
    node: bool = False
    handles: bool = True  # runs the handler
    arguments: tuple[str, ...] = ()
    without: tuple[str, ...] = ()  # services of the shop that it does not have
    only: tuple[str, ...] = ()  # scenarios that it supports; empty: all with one queue

    def takes_part(self, scenario: str) -> bool:
        """Return whether the peer supports a scenario."""
        return scenario in self.only if self.only else scenario not in _SHOPS


_TABLE = (
    Peer(LIMIT, "limit-boto3", handles=False),
    Peer(WIRE, "limit-wire", handles=False),
    Peer("limit-pipeline", "limit-pipeline"),
    Peer("naive", "naive", share=0.25),
    Peer("naive-batch-threads", "naive-batch-threads"),
    Peer("powertools", "powertools", ("aws-lambda-powertools==3.37.0", BOTO3)),
    Peer("sqs-workers", "sqs-workers", ("sqs-workers==0.7.3", "typing_extensions", BOTO3)),
    Peer(
        "dramatiq",
        "dramatiq",
        ("dramatiq==2.2.1", "dramatiq-sqs==0.4.4", BOTO3),
        messages.dramatiq,
        share=0.25,
    ),
    Peer(
        "dramatiq-12h",
        "dramatiq",
        ("dramatiq==2.2.1", "dramatiq-sqs==0.4.4", BOTO3),
        messages.dramatiq,
        environment={"BENCH_OWN_VISIBILITY_TIMEOUT": "1"},
        only=("slow",),
    ),
    Peer("celery", "celery", ("celery[sqs]==5.7.0", BOTO3), messages.celery, share=0.15),
    Peer("pyqs", "pyqs", ("pyqs==1.0.1", "setuptools<81", BOTO3), messages.pyqs, share=0.15),
    Peer("tomodachi", "tomodachi", ("tomodachi==0.29.0",), messages.sns, share=0.25),
    Peer(
        "taskhawk",
        "taskhawk",
        (
            "taskhawk==4.7.0",
            "mypy-boto3-sns==1.43.97",
            "mypy-boto3-sqs==1.43.0",
            "retrying==1.4.2",
            BOTO3,
        ),
        messages.taskhawk,
        queue="TASKHAWK-BENCH",
        share=0.25,
    ),
    Peer("sqs-consumer", "sqs-consumer", node=True),
    Peer("sqs-consumer-hb", "sqs-consumer", node=True, environment={"BENCH_HEARTBEAT": "1"}),
    Peer("ours", "ours", environment={"LOG_LEVEL": "info"}),
    Peer("ours-fifo", "ours", queue="bench.fifo", environment={"LOG_LEVEL": "info"}),
    Peer("ours-quiet", "ours", environment={"LOG_LEVEL": "warning"}),
    Peer("ours-payment", "ours-payment", environment={"LOG_LEVEL": "info"}, only=("payment",)),
    Peer(
        "textbook-payment",
        "textbook",
        arguments=("payment",),
        share=0.05,
        environment={
            "QUEUE_URL": "{url}",
            "TABLE_NAME": "payment",
            "TOPIC_ARN": "arn:aws:sns:eu-west-1:000000000000:order-events",
        },
        only=("payment",),
    ),
    Peer("textbook", "textbook", share=0.2, without=("relay",), only=("order",)),
    Peer("ours-shop", "ours", module="workers run", only=("order",)),
    Peer("api-boto3", "api-boto3", only=("api",)),
    Peer("ours-api", "ours", module="workers run", only=("api",)),
    Peer(
        "ours-payment-traced",
        "ours-payment",
        environment={"LOG_LEVEL": "info", "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}"},
        only=("payment",),
    ),
    Peer(
        "ours-payment-traced-all",
        "ours-payment",
        environment={
            "LOG_LEVEL": "info",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}",
            "OTEL_TRACES_SAMPLER": "always_on",
        },
        only=("payment",),
    ),
    Peer(
        "ours-service",
        "ours",
        module="workers run payment",
        only=("start", "idle", "memory"),
        environment={
            "QUEUE_URL": "{url}",
            "DLQ_URL": "{url}-dlq",
            "TOPIC_ARN": "arn:aws:sns:eu-west-1:000000000000:order-events",
            "TABLE_NAME": "payment",
            "METRICS_PORT": "0",
        },
    ),
)
PEERS: dict[str, Peer] = {peer.name: peer for peer in _TABLE}
