"""A library that lends books runs on the same map, receive loop, store and log lines."""

import json
from dataclasses import dataclass
from typing import ClassVar

import pytest
from structlog.testing import capture_logs
from support import emf
from support.builders import encoded
from support.fakes import FakeQueue
from support.harness import Harness

from workers.envelope import Decoder, Event, Id, first
from workers.runtime.errors import PermanentError
from workers.runtime.handler import Handlers, handles
from workers.runtime.observability.emf import MetricLines
from workers.runtime.observability.telemetry import CLOUDWATCH_METRICS
from workers.runtime.ports import Transaction
from workers.topology import Topology, queue_name


class BookEvent(Event):
    book_id: Id

    @property
    def subject(self):
        return {"bookId": self.book_id}


class BookRequested(BookEvent):
    type: ClassVar[str] = "book.requested"

    reader: Id


class BookLent(BookEvent):
    type: ClassVar[str] = "book.lent"

    reader: Id


DECODER = Decoder({event.type: event for event in (BookRequested, BookLent)})


@dataclass(frozen=True)
class Lending:
    """Lends a book to the first reader who asks."""

    @handles
    def lend(self, request: BookRequested, tx: Transaction) -> BookLent | None:
        if request.book_id == "stolen":
            raise PermanentError("the book was stolen")
        key = f"book#{request.book_id}"
        if tx.get(key):
            return None
        tx.put(key, {"reader": request.reader})
        return BookLent(book_id=request.book_id, reader=request.reader)


def a_service(*, consumes=(), publishes=()):
    return {
        "consumes": list(consumes),
        "publishes": list(publishes),
        "table": "books",
        "visibility_timeout": 45,
        "max_attempts": 2,
        "concurrency": 4,
        "retention": 86_400,
        "dlq_retention": 172_800,
        "owner": "library",
        "sends_email": False,
    }


MAP = {
    "topic": "library-events",
    "events": ["book.requested", "book.lent"],
    "tables": {"books": {"outbox": False}},
    "services": {
        "commands": a_service(publishes=["book.requested"]),
        "lending": a_service(consumes=["book.requested"], publishes=["book.lent"]),
    },
}


def a_worker(decoder=DECODER):
    """Start a worker with the numbers of the library's map."""
    service = Topology.parse(json.dumps(MAP)).consumers["lending"]
    return Harness(
        Lending(),
        name="lending",
        queue=FakeQueue(queue_name("lending"), visibility_timeout=service.visibility_timeout),
        concurrency=service.concurrency,
        max_attempts=service.max_attempts,
        visibility_timeout=service.visibility_timeout,
        decode=decoder.decode,
    )


@pytest.fixture
def lending():
    return a_worker()


def ask_for(book_id, reader="reader-1", event_id="event-1"):
    request = BookRequested(book_id=book_id, reader=reader)
    return first(request, source="commands", event_id=event_id).encode()


def settled(worker, *bodies):
    """Handle messages; give the log line of each."""
    with capture_logs() as lines:
        for body in bodies:
            worker.queue.send(body)
            worker.round()
    return [line for line in lines if line["event"] == "message.settled"]


def test_the_map_of_the_library_names_what_its_handlers_take_and_return():
    mapped = Topology.parse(json.dumps(MAP)).services["lending"]
    handlers = Handlers(Lending())

    assert (mapped.consumes, mapped.publishes) == (handlers.consumes, handlers.publishes)


def test_a_book_is_lent_and_the_message_deleted(lending):
    settled(lending, ask_for("moby-dick"))

    assert lending.store.documents == {"book#moby-dick": {"reader": "reader-1"}}
    [lent] = [DECODER.decode(event.body) for event in lending.topic.sent]
    assert lent.data == BookLent(book_id="moby-dick", reader="reader-1")
    assert (lent.source, lent.causation_id) == ("lending", "event-1")
    assert len(lending.queue) == 0


def test_a_log_line_names_the_book(lending):
    [line] = settled(lending, ask_for("moby-dick"))

    assert line["bookId"] == "moby-dick"
    assert line["outcome"] == "handled"
    assert line.keys() == {
        *("event", "log_level", "outcome", "durationMs", "receiveCount", "messageId"),
        *("eventType", "eventId", "correlationId", "bookId", "source"),
    }


def test_a_duplicate_lends_nothing_and_publishes_the_same_event(lending):
    lines = settled(lending, ask_for("moby-dick"), ask_for("moby-dick"))

    assert [line["outcome"] for line in lines] == ["handled", "repeated"]
    first_sent, second_sent = lending.topic.sent
    assert first_sent == second_sent


def test_the_second_reader_gets_nothing(lending):
    settled(lending, ask_for("moby-dick"), ask_for("moby-dick", "reader-2", "event-2"))

    assert lending.store.documents == {"book#moby-dick": {"reader": "reader-1"}}
    assert len(lending.topic.sent) == 1


def test_a_failure_is_dead_lettered_with_its_reason(lending):
    [line] = settled(lending, ask_for("stolen"))

    [letter] = lending.queue.dead_letters
    assert letter.failure.reason == "the book was stolen"
    assert (line["outcome"], line["bookId"]) == ("dead_lettered", "stolen")


def test_an_event_of_another_domain_is_not_in_the_catalogue(lending):
    settled(lending, encoded().body)

    [letter] = lending.queue.dead_letters
    assert letter.failure.type == "unknown_type"


def test_an_event_without_a_subject_is_logged_without_one():
    class Opened(Event):
        type: ClassVar[str] = "library.opened"

    body = first(Opened(), source="commands", event_id="event-1").encode()

    [line] = settled(a_worker(Decoder({Opened.type: Opened})), body)

    assert line["outcome"] == "ignored"
    assert not line.keys() & {"bookId", "orderId", "subject"}


def test_metrics_go_to_the_namespace_of_the_library(lending, logged_lines):
    lines = MetricLines(
        lending.telemetry.registry,
        CLOUDWATCH_METRICS,
        namespace="Library",
        environment="test",
        service="lending",
    )
    lending.queue.send(ask_for("moby-dick"))
    lending.round()

    lines.write()

    written = [json.loads(line) for line in logged_lines().splitlines()]
    [metrics] = [emf.metrics(line) for line in written if "_aws" in line]
    where = (("Environment", "test"), ("Service", "lending"))
    assert metrics["Library", where, "MessagesProcessed"] == 1
