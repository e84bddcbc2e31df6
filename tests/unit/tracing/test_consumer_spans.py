"""The spans of a receive loop, on a virtual clock."""

from structlog.testing import capture_logs
from support.builders import an_envelope, an_order
from support.harness import Counting, Harness, Service

from workers.runtime.errors import PermanentError, TransientError, Unavailable
from workers.runtime.ports import Failure
from workers.tracing.consumer import TracedConsumer
from workers.tracing.queue import Contexts

TRACE = "0af7651916cd43dd8448eb211c80319c"
CAUSE = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/payment-queue"
CANARY = "canary@example.com"


def worker(recorded, act=None, **named):
    spans = TracedConsumer(recorded.tracer, queue_url=URL)
    return Harness(Service(act), spans=spans, **named)


def send(worker, number=1, traceparent=CAUSE, **named):
    order = an_order(order_id=f"order-{number}", customer_email=CANARY)
    body = an_envelope(order, event_id=f"event-{number}", traceparent=traceparent).encode()
    worker.queue.send(body, **named)


def failing(error):
    def act(_order):
        raise error

    return act


def test_a_message_is_processed_below_the_span_that_created_it(recorded):
    it = worker(recorded)
    send(it)
    it.round()

    span = recorded.one("process payment-queue")
    assert (span.kind.name, recorded.parent(span)) == ("CONSUMER", "b7ad6b7169203331")
    assert dict(span.attributes) == {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "payment-queue",
        "messaging.message.id": "message-1",
        "messaging.message.conversation_id": "event-1",
        "cloudevents.event_id": "event-1",
        "cloudevents.event_type": "order.created",
        "workers.outcome": "handled",
    }


def test_an_outcome_names_the_span_that_caused_it(recorded):
    it = worker(recorded)
    send(it)
    it.round()

    [outcome] = it.topic.published
    assert outcome.traceparent == recorded.traceparent(recorded.one("process payment-queue"))
    assert it.topic.sent[0].attributes["traceparent"] == outcome.traceparent


def test_without_tracing_an_outcome_passes_the_context_on():
    it = Harness()
    send(it)
    it.round()
    assert it.topic.published[0].traceparent == CAUSE


def test_a_repeated_handling_publishes_the_recorded_outcomes_byte_for_byte(recorded):
    it = worker(recorded)
    send(it)
    it.topic.fail_next("publish", Unavailable("down", dependency="sns"), lost_reply=True)
    it.receive()
    it.work()
    it.settle()

    first, *_ = recorded.spans("process payment-queue")
    again = it.restart()
    it.clock.advance(3600)
    send(again)  # the relay published it twice
    again.run_dry()

    assert len(it.topic.sent) >= 2
    assert len({event.body for event in it.topic.sent}) == 1
    assert it.topic.published[0].traceparent == recorded.traceparent(first)
    ends = [s.attributes["workers.outcome"] for s in recorded.spans("process payment-queue")]
    assert ends[-1] == "repeated"


def test_a_redelivered_message_has_another_span_below_the_same_parent(recorded):
    failures = [TransientError("busy"), None]
    it = worker(recorded, lambda _order: (error := failures.pop(0)) and failing(error)(_order))
    send(it)
    it.run_dry()

    spans = recorded.spans("process payment-queue")
    assert [span.attributes["workers.outcome"] for span in spans] == ["retried", "handled"]
    assert {recorded.parent(span) for span in spans} == {"b7ad6b7169203331"}
    assert [span.status.is_ok for span in spans] == [False, True]
    assert it.topic.published[0].traceparent == recorded.traceparent(spans[1])


def test_an_event_without_a_context_starts_a_trace_that_its_log_lines_name(recorded):
    it = worker(recorded)
    send(it, traceparent=None)
    with capture_logs() as lines:
        it.round()

    span = recorded.one("process payment-queue")
    [line] = [line for line in lines if line["event"] == "message.settled"]
    assert span.parent is None
    assert line["traceId"] == f"{span.get_span_context().trace_id:032x}"
    assert it.topic.published[0].traceparent == recorded.traceparent(span)


def test_a_body_that_cannot_be_read_has_a_span_too(recorded):
    it = worker(recorded)
    it.queue.send(f'{{"eventType": 1, "traceparent": "{CAUSE}"}}')
    it.round()

    span = recorded.one("process payment-queue")
    assert recorded.parent(span) == "b7ad6b7169203331"
    assert span.attributes["error.type"] == "malformed"
    assert span.attributes["workers.outcome"] == "dead_lettered"


def test_a_receive_links_to_every_message_and_an_empty_one_leaves_no_span(recorded):
    it = worker(recorded)
    it.receive()
    assert recorded.spans() == []

    send(it, 1)
    send(it, 2, traceparent=CAUSE.replace("b7ad", "c7ad"))
    it.receive()

    span = recorded.one("receive payment-queue")
    assert (span.kind.name, span.parent) == ("CLIENT", None)
    assert set(recorded.links(span)) == {CAUSE, CAUSE.replace("b7ad", "c7ad")}
    assert span.attributes["messaging.batch.message_count"] == 2
    assert span.attributes["messaging.operation.type"] == "receive"
    assert span.attributes["aws.sqs.queue.url"] == URL


def test_a_failed_poll_has_a_span(recorded):
    it = worker(recorded)
    it.queue.fail_next("receive", Unavailable("down", dependency="sqs"))
    it.receive()
    assert recorded.one("receive payment-queue").attributes["error.type"] == "unavailable"


def test_the_settlement_of_one_message_is_a_child_of_its_processing(recorded):
    it = worker(recorded)
    send(it)
    it.round()

    settle, process = recorded.one("settle payment-queue"), recorded.one("process payment-queue")
    assert settle.parent.span_id == process.get_span_context().span_id
    assert recorded.links(settle) == [recorded.traceparent(process)]
    assert settle.kind.name == "CLIENT"


def test_a_settlement_of_several_messages_has_no_parent_but_links(recorded):
    it = worker(recorded)
    for number in range(3):
        send(it, number)
    it.round()

    settle = recorded.one("settle payment-queue")
    processed = {recorded.traceparent(s) for s in recorded.spans("process payment-queue")}
    assert settle.parent is None
    assert set(recorded.links(settle)) == processed
    assert settle.attributes["messaging.batch.message_count"] == 3


def test_a_settlement_that_sqs_refuses_is_a_failed_span(recorded):
    it = worker(recorded)
    send(it)
    it.queue.fail_next("delete", Unavailable("down", dependency="sqs"))
    it.round()
    [settle] = recorded.spans("settle payment-queue")
    assert settle.attributes["error.type"] == "unavailable"


def test_renewals_of_leases_have_no_span(recorded):
    seen = []

    def act(_order):
        it.tick(120)
        seen.append((len(it.queue.extensions), len(recorded.spans("settle payment-queue"))))

    it = worker(recorded, act)
    send(it)
    it.round()

    [(extensions, settled)] = seen
    assert extensions > 0
    assert settled == 0


def test_a_dead_letter_is_sent_below_the_span_that_gave_up(recorded):
    it = worker(recorded, failing(PermanentError("no")))
    send(it)
    it.round()

    letter, process = recorded.one("send payment-queue-dlq"), recorded.one("process payment-queue")
    assert letter.parent.span_id == process.get_span_context().span_id
    assert letter.attributes["workers.failure_type"] == "permanent"
    assert letter.status.is_ok


def test_a_message_whose_trace_is_not_sampled_leaves_no_span(recorded):
    it = worker(recorded)
    send(it, traceparent=UNSAMPLED)
    it.round()

    assert recorded.spans() == []
    [outcome] = it.topic.published
    assert outcome.traceparent[3:35] == TRACE
    assert outcome.traceparent.endswith("-00")


def test_no_span_has_an_address(recorded):
    it = worker(recorded, failing(ValueError(f"cannot charge {CANARY}")))
    send(it)
    it.run_dry()

    texts = [span.to_json() for span in recorded.spans()]
    assert len(texts) > 3
    assert not [text for text in texts if "canary" in text]


def test_contexts_of_messages_that_are_never_settled_are_forgotten(recorded):
    contexts = Contexts(most=2)
    for handle in ("a", "b", "c"):
        with recorded.tracer.start_as_current_span("process") as span:
            contexts.put(handle, span.get_span_context())
    assert contexts.pop("a") is None
    assert contexts.pop("c") is not None
    assert contexts.pop("c") is None


def test_the_wrapped_queue_dead_letters_what_it_is_given(recorded):
    it = worker(recorded)
    send(it)
    [message] = it.queue.receive(1, 0)
    queue = it.spans.queue(it.queue)
    queue.dead_letter(message, Failure("why", "permanent", 1))
    assert it.queue.dead_letters[0].message == message
    assert (queue.name, queue.visibility_timeout) == ("payment-queue", 60)


def test_each_message_of_a_batch_has_a_span_below_the_one_that_created_its_event(recorded):
    def act(order):
        if order.order_id == "order-3":
            raise PermanentError("no")

    spans = TracedConsumer(recorded.tracer, queue_url=URL)
    it = Harness(Counting(act), spans=spans)
    for number in (1, 2, 3, 4):
        send(it, number)
    it.round()

    processed = recorded.spans("process payment-queue")
    assert {recorded.parent(span) for span in processed} == {"b7ad6b7169203331"}
    ends = sorted(
        (span.attributes["messaging.message.id"], span.attributes["workers.outcome"])
        for span in processed
    )
    assert ends == [
        ("message-1", "handled"),
        ("message-2", "handled"),
        ("message-3", "dead_lettered"),
        ("message-3", "put_back"),
        ("message-4", "handled"),
        ("message-4", "put_back"),
    ]
