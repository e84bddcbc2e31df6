"""A redrive moves exactly the messages meant, and stops when they fail again."""

import json
import threading
import time
from dataclasses import replace

import pytest
from support.dead_letters import Dead, document, run
from support.eventually import eventually

from workers.aws import names
from workers.aws.clients import Clients
from workers.aws.generations import use_generation
from workers.aws.items import to_item
from workers.ops import dlq_outcomes, dlq_place, dlq_redrive
from workers.ops.dlq_place import Place
from workers.ops.dlq_redrive import Pace, redrive
from workers.ops.dlq_select import Selection
from workers.ops.operations import BusyError, Operation
from workers.topology import Topology

pytestmark = pytest.mark.integration

ME = "arn:aws:sts::123456789012:assumed-role/operator/ana"
YES = ("--yes", "--reason", "fixed")


@pytest.fixture
def dead(provisioned, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)
    return Dead(provisioned)


@pytest.fixture
def place(dead):
    return Place(dead.sqs, dead.dynamodb, "payment", dead.table, "dlq", dead.dlq, dead.queue)


def orders(n, prefix="order"):
    return [f"{prefix}-{i:04}" for i in range(n)]


def move(place, selection=Selection(), pace=Pace(), by=ME, **named):  # noqa: B008 - immutable
    with Operation.running(place.dynamodb, place.table, place.kind, by=by) as operation:
        return redrive(place, selection, pace, operation, **named)


class Service(threading.Thread):
    """Handles payment's messages: those of ``failing`` orders fail an attempt."""

    def __init__(self, dead, failing=()):
        super().__init__(daemon=True)
        self.dead, self.failing = dead, set(failing)
        self.seen = []
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.is_set():
            found = self.dead.sqs.receive_message(
                QueueUrl=self.dead.queue, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            for message in found.get("Messages", []):
                self._handle(message)

    def _handle(self, message):
        order_id = json.loads(message["Body"])["data"]["orderId"]
        self.seen.append(order_id)
        if order_id in self.failing:
            attempt = {"at": {"S": "2026-11-21T20:00:00.000+00:00"}, "type": {"S": "TimeoutError"}}
            name = f"attempt#{message['MessageId']}#1"
            self.dead.put(f"failures#order-api#event-{order_id}", **{name: {"M": attempt}})
        else:
            self.dead.handled(order_id)
        self.dead.sqs.delete_message(
            QueueUrl=self.dead.queue, ReceiptHandle=message["ReceiptHandle"]
        )


@pytest.fixture
def service(dead):
    services = []

    def start(failing=()):
        services.append(Service(dead, failing))
        services[-1].start()
        return services[-1]

    yield start
    for each in services:
        each.stopped.set()
    for each in services:
        each.join()


def test_a_canary_redrive_of_one_group_moves_exactly_that_group(dead, service):
    dead.add(*orders(25, "mine"), stack="0a1b2c3d4e5f")
    dead.add(*orders(7, "other"), stack="ffffffffffff")
    dead.add(body="not json", type="malformed")
    mine = document("dlq", "list", "payment", "--group")[0]
    assert mine["count"] == 25
    worker = service()

    done = document(
        *("dlq", "redrive", "payment", "--group", mine["key"][:5], "--canary", "2", *YES)
    )

    assert (done["messages"], done["handled"], done["failed"]) == (25, 2, 0)
    eventually(lambda: sorted(worker.seen) == orders(25, "mine"), 10)
    left = document("dlq", "list", "payment", "--group")
    assert {group["count"] for group in left} == {7, 1}


def test_a_canary_that_fails_again_stops_the_redrive(dead, service):
    dead.add(*orders(10))
    service(failing=orders(10))

    result = run("dlq", "redrive", "payment", "--canary", "1", *YES, code=1)

    assert "the canary failed (1 of 1)" in result.stderr
    assert len(dead.left()) == 9


def test_a_canary_without_an_outcome_stops_the_redrive(dead, place):
    dead.add(*orders(4))

    moved = move(place, pace=Pace(canary=1), patience=1.0)

    assert (moved.moved, moved.undecided) == (1, 1)
    assert "no outcome after 1 s" in moved.stopped
    assert len(dead.left()) == 3


def test_a_canary_is_a_message_that_was_not_handled_before(dead, place, service):
    dead.add(*orders(6))
    dead.handled(*orders(5))
    worker = service(failing=["order-0005"])

    moved = move(place, pace=Pace(canary=1))

    assert "the canary failed" in moved.stopped
    assert worker.seen == ["order-0005"]


def test_the_outcome_of_a_canary_is_in_the_inbox_that_a_rebuild_made(dead, place):
    """After a rebuild, analytics records what it handles in the inbox of a generation."""
    dead.add("order-0", "order-1")
    dead.put("inbox#g2#order-api#event-order-0", outcomes={"L": []})
    dead.put("inbox#order-api#event-order-1", outcomes={"L": []})
    rebuilt = replace(place, scope="g2#")

    assert {k: v.processed for k, v in dlq_place.read(rebuilt).known.items()} == {
        "order-api#event-order-0": True,
        "order-api#event-order-1": False,
    }
    moved = move(rebuilt, Selection(where="processed"), Pace(canary=1), patience=1.0)
    assert (moved.moved, moved.handled, moved.stopped) == (1, 1, "")


def test_no_address_in_an_expression_is_stored(dead):
    dead.add("order-1")
    address = "canary@example.com"

    run("dlq", "redrive", "payment", "--where", f"!contains(text, '{address}')", *YES)

    rows = dead.dynamodb.scan(TableName=dead.table, ConsistentRead=True)["Items"]
    assert "audit#" in str(rows)
    assert address not in str(rows)


def test_the_place_of_a_rebuilt_service_has_the_scope_of_its_inbox(provisioned):
    clients = Clients.connect(provisioned, threads=1)
    use_generation(clients.dynamodb(), f"{provisioned.name_prefix}analytics", 2)

    places = {
        name: dlq_place.place_of(clients, provisioned, Topology.load(), name)
        for name in ("analytics", "payment")
    }

    assert {name: place.scope for name, place in places.items()} == {
        "analytics": "g2#",
        "payment": "",
    }


def test_an_attempt_that_an_older_worker_records_fails_the_canary():
    ended = {"delivery-1": {"error": "TimeoutError: no", "at": "", "worker": ""}}
    rows = {"attempts#m-2": to_item(ended)}
    assert dlq_outcomes.outcome_of(rows, "m-2", "order-api#e") == "failed"
    started = {"attempts#m-2": to_item({"delivery-2": {"error": ""}})}
    assert dlq_outcomes.outcome_of(started, "m-2", "order-api#e") is None
    earlier = {"failures#order-api#e": to_item({"attempt#m-1#3": {"at": "x"}})}
    assert dlq_outcomes.outcome_of(earlier, "m-2", "order-api#e") is None
    assert dlq_outcomes.outcome_of(earlier, "m-1", "order-api#e") == "failed"


def test_failures_stop_the_redrive(dead, place, service, monkeypatch):
    monkeypatch.setattr(dlq_redrive, "WINDOW", 20)
    dead.add(*orders(200))
    service(failing=orders(200))

    moved = move(place, pace=Pace(stop_on_failure=3))

    assert moved.failed >= 3
    assert "failed again" in moved.stopped
    assert moved.moved < 60
    assert len(dead.left()) == 200 - moved.moved


def test_a_slow_redrive_stops_soon_after_a_failure(dead, place, service):
    dead.add(*orders(100))
    service(failing=orders(100))

    moved = move(place, pace=Pace(rate=20, stop_on_failure=1))

    assert "failed again" in moved.stopped
    assert moved.moved <= 80


def test_the_redrive_of_messages_that_are_all_handled_says_so(dead, service):
    dead.add(*orders(20))
    service()

    done = document("dlq", "redrive", "payment", "--stop-on-failure", "1", *YES)

    assert (done["messages"], done["handled"], done["undecided"]) == (20, 20, 0)


def test_a_rate_is_kept(dead):
    dead.add(*orders(30))
    started = time.monotonic()

    done = document("dlq", "redrive", "payment", "--rate", "10/s", *YES)

    assert done["messages"] == 30
    assert 1.9 < time.monotonic() - started < 10


def test_a_redrive_without_a_rate_can_move_300_messages_a_second(dead, place):
    """On a busy machine the time says little; CPU time says what the code takes."""
    dead.add(*orders(1_500))
    began, spent = time.monotonic(), time.process_time()

    moved = move(place, Selection(where="failure.type == 'TimeoutError'"))

    assert moved.moved == 1_500
    assert 1_500 / (time.process_time() - spent) > 300
    assert 1_500 / (time.monotonic() - began) > 50


def test_messages_keep_their_attributes_and_bodies(dead):
    dead.add(body="not json \u009b", type="malformed", first_at="2026-11-01T00:00:00+00:00")

    run("dlq", "redrive", "payment", "--where", "!readable", *YES)

    [message] = dead.drain()
    texts = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert message["Body"] == "not json \u009b"
    assert texts["failure.type"] == "malformed"
    assert texts["failure.first_at"] == "2026-11-01T00:00:00+00:00"


def test_a_dry_run_names_exactly_what_would_move(dead):
    dead.add(*orders(4), type="TimeoutError")
    dead.add(*orders(3, "bad"), type="permanent")
    expression = "failure.type == 'permanent' && body.data.orderId != 'bad-0001'"

    dry = document("dlq", "redrive", "payment", "--where", expression)
    assert (dry["messages"], dry["moved"], len(dry["ids"])) == (2, False, 2)
    assert dead.drain() == []

    done = document("dlq", "redrive", "payment", "--where", expression, *YES)
    assert done["messages"] == 2
    assert dead.orders() == ["bad-0000", "bad-0002"]


def test_messages_are_selected_by_id_and_by_what_the_table_knows(dead):
    dead.add(*orders(5))
    dead.handled("order-0003")
    letters = {each["order_id"]: each["id"] for each in document("dlq", "list", "payment")}
    ids = ("--id", letters["order-0001"][:10], "--id", letters["order-0002"])

    run("dlq", "redrive", "payment", *ids, *YES)
    assert dead.orders() == ["order-0001", "order-0002"]

    run("dlq", "redrive", "payment", "--where", "processed", *YES)
    assert dead.orders() == ["order-0003"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--where", "body.data["], ["Incomplete expression at position 11", "          ^"]),
        (["--where", "body ~ 3"], ["position 6"]),
        (["--where", "no_such(body)"], ["Unknown function: no_such()", "position 1"]),
        (["--where", "length(body, text)"], ["position 1"]),
        (["--id", "nobody"], ["0 messages match 'nobody'", "There are: "]),
        (["--group", "nothing"], ["0 groups match 'nothing'", "There are: "]),
        (["--rate", "fast"], ["not a rate"]),
        (["--rate", "0/s"], ["not a rate"]),
    ],
)
def test_a_wrong_selection_exits_with_2_and_says_what_exists(dead, arguments, words):
    dead.add("order-1")

    result = run("dlq", "redrive", "payment", *arguments, code=2)

    assert [word for word in words if word not in result.output] == []


def test_a_message_that_another_reader_holds_is_not_called_unknown(dead):
    dead.add("order-1")
    [held] = dead.hold()

    for options in ((), YES):
        result = run("dlq", "redrive", "payment", "--id", held["MessageId"], *options, code=1)
        assert "1 there, 0 readable now" in result.stderr


def test_what_arrives_after_the_start_stays(dead, place):
    dead.add(*orders(30))

    def progress(stage, _moved, _total):
        if stage == "moving":
            dead.add("late-1")

    moved = move(place, progress=progress)

    assert moved.moved == 30
    assert set(dead.left()) == {"late-1"}


def test_a_second_operator_gets_a_clear_refusal_and_moves_nothing(dead, place):
    dead.add(*orders(20))
    other = "arn:aws:sts::123456789012:assumed-role/operator/bob"
    with Operation.running(place.dynamodb, place.table, place.kind, by=other):
        result = run("dlq", "redrive", "payment", "--canary", "1", *YES, code=1)
        assert "another operation on these messages is running" in result.stderr
        assert "operator/bob since 20" in result.stderr
        run("dlq", "discard", "payment", *YES, code=1)
        with pytest.raises(BusyError):
            move(place)

    assert dead.drain() == []
    assert len(dead.left()) == 20
    refusals = {each["result"] for each in document("audit", "payment")}
    assert refusals == {"failed: BusyError"}


def test_two_operators_who_start_at_the_same_time_share_nothing(dead, place):
    dead.add(*orders(40))
    results = []

    def operate(name):
        try:
            results.append(move(place, pace=Pace(rate=20), by=name))
        except BusyError as error:
            results.append(error)

    threads = [threading.Thread(target=operate, args=(name,)) for name in ("ana", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(type(result).__name__ for result in results) == ["BusyError", "Moved"]
    assert dead.orders() == orders(40)


def test_a_redrive_is_on_record_with_who_why_and_how_many(dead):
    dead.add(*orders(3))

    run("dlq", "redrive", "payment", "--rate", "100/s", *YES)

    [entry] = document("audit", "payment")
    assert (entry["action"], entry["reason"], entry["count"]) == ("dlq redrive", "fixed", 3)
    assert entry["by"].startswith("arn:aws:")
    assert entry["result"] == "done"


def test_what_sns_could_not_deliver_is_listed_and_redriven(dead):
    name = f"{dead.queue.rpartition('/')[2]}-undelivered"
    url = dead.sqs.create_queue(QueueName=name)["QueueUrl"]
    dead.add("order-1", url=url)

    assert [each["order_id"] for each in document("dlq", "list", "payment", "--undelivered")] == [
        "order-1"
    ]
    assert document("dlq", "redrive", "payment", "--undelivered", *YES)["messages"] == 1
    assert dead.orders() == ["order-1"]


def test_after_a_rebuild_the_generation_in_use_says_what_analytics_has_handled(dead):
    dead.table = f"{dead.settings.name_prefix}analytics"
    dead.dlq = names.dlq_url(dead.sqs, dead.settings, "analytics")
    use_generation(dead.dynamodb, dead.table, 2)
    dead.add("before", "after", url=dead.dlq)
    dead.handled("before")
    dead.put("inbox#g2#order-api#event-after", outcomes={"L": []})

    listed = {each["order_id"]: each for each in document("dlq", "list", "analytics")}
    assert {order: each["processed"] for order, each in listed.items()} == {
        "before": False,
        "after": True,
    }

    known = ("--id", listed["after"]["id"], "--canary", "1")
    done = document("dlq", "redrive", "analytics", *known, *YES)
    assert (done["handled"], done["stopped"]) == (1, "")
