"""The traces of one process: gives spans to its clients, its queue and its HTTP server."""

from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Self

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

from workers.aws.sns import SnsTopic
from workers.tracing.consumer import TracedConsumer
from workers.tracing.dynamodb import trace_dynamodb
from workers.tracing.export import batches
from workers.tracing.topic import TracedTopic

if TYPE_CHECKING:
    from fastapi import FastAPI
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class Tracing:
    """The tracer of this process, and what it is attached to."""

    provider: TracerProvider

    @classmethod
    def start(cls, service: str, *, version: str, worker: str, environment: str | None) -> Self:
        """Export spans to ``OTEL_EXPORTER_OTLP_ENDPOINT``. Opens no connection yet.

        ``OTEL_RESOURCE_ATTRIBUTES`` may say more about the process.
        """
        fields = {
            "service.name": service,
            "service.version": version,
            "service.instance.id": worker,
        }
        if environment:
            fields["deployment.environment.name"] = environment
        provider = TracerProvider(resource=Resource.create(fields), shutdown_on_exit=False)
        provider.add_span_processor(batches())
        return cls(provider)

    @property
    def tracer(self) -> Tracer:
        """The tracer that makes all spans."""
        return self.provider.get_tracer("workers")

    def topic(self, topic: SnsTopic) -> TracedTopic:
        """Return the topic, its requests with spans."""
        return TracedTopic(topic, self.tracer, arn=topic.arn)

    def consumer(self, queue_url: str) -> TracedConsumer:
        """Return the spans of the receive loop of a queue."""
        return TracedConsumer(self.tracer, queue_url=queue_url)

    def dynamodb(self, client: "DynamoDBClient", table: str) -> None:
        """Give the client's requests spans."""
        trace_dynamodb(client, self.tracer, table)

    def http(self, app: "FastAPI") -> None:
        """Give the requests to order-api spans."""
        from workers.tracing.http import TracedHttp  # noqa: PLC0415 - consumers need no Starlette

        app.add_middleware(TracedHttp, tracer=self.tracer)

    def stop(self, seconds: float) -> None:
        """Export what is left, for at most ``seconds``."""
        flushing = Thread(target=self.provider.shutdown, name="traces", daemon=True)
        flushing.start()
        flushing.join(seconds)
