"""Dead letters of FIFO queues go back in their groups, in the order in which they failed."""

import json
import random
from concurrent.futures import Future

import pytest
from support.dead_letters import UNREADABLE, Dead, document, numbered, run

from workers.aws.fifo import ids
from workers.aws.moving import batches, send
from workers.ops import dlq_doubts, dlq_edit, dlq_redrive
from workers.ops.cloudevents import to_cloudevent
from workers.ops.dlq_place import Place
from workers.ops.dlq_redrive import Pace, redrive
from workers.ops.dlq_select import Selection
from workers.ops.operations import Operation

pytestmark = pytest.mark.integration

YES = ("--yes", "--reason", "a test")
SEEDS = 3
RUNS = 60  # of a redrive that is interrupted again and again


class Killed(BaseException):
    """Ends a run at a request."""


@pytest.fixture
def fifo(monkeypatch):
    monkeypatch.setenv("FIFO", "true")


@pytest.fixture
def dead(fifo, provisioned, monkeypatch):  # noqa: ARG001 - the mode comes first
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)
    monkeypatch.setenv("ALLOW_EDIT", "true")
    monkeypatch.setattr(dlq_doubts, "PATIENCE", 0.0)
    return Dead(provisioned)


@pytest.fixture
def place(dead):
    return Place(dead.sqs, dead.dynamodb, "payment", dead.table, "dlq", dead.dlq, dead.queue)


def move(place, pace=Pace(), **named):  # noqa: B008 - immutable
    with Operation.running(place.dynamodb, place.table, place.kind, by="ana") as operation:
        return redrive(place, Selection(where="id"), pace, operation, **named)


class Shuffled:
    """Threads that end in the order of the dice: what was submitted together may overtake."""

    def __init__(self, dice):
        self.dice = dice
        self.waiting = []

    def __call__(self, _threads, **_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.waiting.clear()

    def submit(self, function, batch):
        future = Future()
        self.waiting.append((future, function, batch))
        return future

    def wait(self, running, timeout, **_):
        """End at least one batch; without time to wait, perhaps none."""
        for _ in range(self.dice.randint(timeout is None, len(self.waiting))):
            future, function, batch = self.waiting.pop(self.dice.randrange(len(self.waiting)))
            try:
                future.set_result(function(batch))
            except BaseException as error:  # noqa: BLE001 - as an executor does
                future.set_exception(error)
        return {each for each in running if each.done()}, {e for e in running if not e.done()}


class Unreliable:
    """SQS, or the process that calls it, fails by the dice."""

    def __init__(self, sqs, dice):
        self.sqs, self.dice = sqs, dice

    def __getattr__(self, name):
        return getattr(self.sqs, name)

    def receive_message(self, **request):
        answer = self.sqs.receive_message(**request | {"WaitTimeSeconds": 0})
        for message in answer.get("Messages", []):
            message["Attributes"]["SentTimestamp"] = "1000"  # says nothing about the order
        return answer

    def send_message_batch(self, QueueUrl, Entries):  # noqa: N803 - as SQS calls them
        self._perhaps_killed()
        refused = [entry for entry in Entries if self.dice.random() < 0.1]
        left = [entry for entry in Entries if entry not in refused]
        answer = self.sqs.send_message_batch(QueueUrl=QueueUrl, Entries=left) if left else {}
        self._perhaps_killed()
        codes = [{"Id": entry["Id"], "Code": "ServiceUnavailable"} for entry in refused]
        return answer | {"Failed": codes}

    def delete_message_batch(self, **request):
        self._perhaps_killed()
        return self.sqs.delete_message_batch(**request)

    def _perhaps_killed(self):
        if self.dice.random() < 0.08:
            raise Killed


def test_order_is_kept_whatever_is_slow_refused_or_interrupted(dead, place, monkeypatch):
    monkeypatch.setattr(dlq_redrive, "HIDE_SECONDS", -60)  # nobody hides a message
    monkeypatch.setattr(dlq_redrive, "MAX_BATCH", 2)  # so that several threads have work
    for seed in range(SEEDS):
        dice = random.Random(seed)  # noqa: S311 - a test that repeats
        threads = Shuffled(dice)
        monkeypatch.setattr(dlq_redrive, "ThreadPoolExecutor", threads)
        monkeypatch.setattr(dlq_redrive, "wait_for", threads.wait)
        events = [(f"order-{seed}-{order}", number) for number in range(6) for order in range(4)]
        dead.add_in_order(*events)

        redrive_all(Place(**vars(place) | {"sqs": Unreliable(dead.sqs, dice)}))

        assert dead.groups() == {f"order-{seed}-{order}": list(range(6)) for order in range(4)}
        assert dead.groups(dead.dlq) == {}


def redrive_all(place):
    """Run the command again until it finds nothing to do."""
    for _ in range(RUNS):
        try:
            moved = move(place)
        except Killed:
            continue
        if not (moved.resumed or moved.selected or moved.unread):
            return
    pytest.fail("the redrive comes to no end")


def test_a_message_in_doubt_is_sent_before_those_behind_it(dead, place, monkeypatch):
    dead.add_in_order(*[("order-1", number) for number in range(5)])
    with monkeypatch.context() as patch:
        patch.setattr(dlq_redrive, "send", killed)
        with pytest.raises(Killed):
            move(place, Pace(rate=1))  # a message at a time

    move(place)

    assert dead.groups() == {"order-1": [0, 1, 2, 3, 4]}


@pytest.mark.parametrize(("pace", "doubtful"), [(Pace(rate=1), 1), (Pace(), 2)])
def test_nothing_overtakes_a_message_that_is_left_in_doubt(
    dead, place, monkeypatch, pace, doubtful
):
    """An unreadable one is left to the next command, and what is behind it is, too."""
    dead.send_unreadable("order-1")
    dead.add_in_order(("order-1", 1), ("order-2", 0))
    with monkeypatch.context() as patch:
        patch.setattr(dlq_redrive, "send", killed)
        with pytest.raises(Killed):
            move(place, pace)

    moved = move(place)

    assert (moved.moved, moved.doubtful) == (1, doubtful)
    assert dead.groups() == {"order-2": [0]}
    assert move(place).moved == 2
    assert [message["Body"] for message in dead.drain()] == [UNREADABLE, numbered("order-1", 1)]


def test_what_failed_again_is_not_sent_again(dead, place, monkeypatch):
    """Its new dead letter is in the group whose messages the redrive holds."""
    dead.add_in_order(("order-1", 0))
    with monkeypatch.context() as patch:
        patch.setattr(Operation, "sent", killed)
        with pytest.raises(Killed):
            move(place)
    assert dead.groups() == {"order-1": [0]}
    again = ids("order-1", "its second failure")
    dead.sqs.send_message(QueueUrl=dead.dlq, MessageBody=numbered("order-1", 0), **again)
    monkeypatch.setattr(dlq_redrive, "send", killed)  # it would be dropped as a repeat

    moved = move(place)

    assert (moved.moved, moved.doubtful) == (1, 0)
    assert dead.groups(dead.dlq) == {"order-1": [0]}


def test_a_refused_canary_lets_nothing_pass(dead, place, monkeypatch):
    dead.add_in_order(*[("order-1", number) for number in range(4)])
    answers = [({}, {"InternalError"})]
    with monkeypatch.context() as patch:
        patch.setattr(dlq_redrive, "batches", lambda messages: batches(messages, 1))
        patch.setattr(
            dlq_redrive, "send", lambda *batch: answers.pop() if answers else send(*batch)
        )
        moved = move(place, Pace(canary=2), patience=0.0)
    assert (moved.moved, moved.stopped) == (0, "SQS refused to send: InternalError")

    moved = move(place, Pace(canary=2), patience=0.0)

    assert "the canary has no outcome" in moved.stopped
    assert dead.groups() == {"order-1": [0, 1]}


def test_a_corrected_event_stays_in_the_group_of_its_order(dead, monkeypatch):
    dead.add_in_order(("order-1", 0))
    [letter] = document("dlq", "list", "payment")
    edit = ("dlq", "edit", "payment", letter["id"], *YES, "--set")
    with monkeypatch.context() as patch:
        patch.setattr(dlq_edit, "delete", killed)
        with pytest.raises(Killed):
            run(*edit, "data.currency=USD")

    run(*edit, "data.currency=CHF")  # sent, too: it is another correction

    sent = dead.drain()
    assert [json.loads(each["Body"])["data"]["currency"] for each in sent] == ["USD", "CHF"]
    assert {each["Attributes"]["MessageGroupId"] for each in sent} == {"order-1"}


def test_exported_messages_come_back_in_their_groups_and_in_order(dead, tmp_path):
    dead.add_in_order(*[(f"order-{n % 2}", n) for n in range(8)])
    dead.send_unreadable("order-1")
    file, shuffled = tmp_path / "letters.ndjson", tmp_path / "shuffled.ndjson"
    run("dlq", "export", "payment", file)
    lines = file.read_text().splitlines()
    random.Random(1).shuffle(lines)  # noqa: S311 - a test that repeats
    shuffled.write_text("\n".join(lines))
    assert len(dead.drain(dead.dlq)) == 9

    run("dlq", "import", "payment", shuffled, "--yes")

    found = {}
    for message in dead.drain(dead.dlq):
        found.setdefault(message["Attributes"]["MessageGroupId"], []).append(message["Body"])
    assert found == {
        "order-0": [numbered("order-0", n) for n in (0, 2, 4, 6)],
        "order-1": [*(numbered("order-1", n) for n in (1, 3, 5, 7)), UNREADABLE],
    }


def test_a_file_of_an_earlier_version_gets_the_groups_of_the_publishers(dead, tmp_path):
    file = tmp_path / "letters.ndjson"
    line = {"service": "payment", "queue": "dlq", "sentAt": 1.0, "attributes": {}}
    texts = {
        "a": numbered("order-1", 0),
        "b": numbered("order-1", 1),
        "c": UNREADABLE,
        "d": to_cloudevent(numbered("order-2", 0)),
    }
    lines = [json.dumps(line | {"id": name, "body": text}) for name, text in texts.items()]
    file.write_text("\n".join(lines))

    run("dlq", "import", "payment", file, "--yes")

    drained = dead.drain(dead.dlq)
    groups = {message["Body"]: message["Attributes"]["MessageGroupId"] for message in drained}
    assert {name: groups[text] for name, text in texts.items()} == {
        "a": "order-1",
        "b": "order-1",
        "c": "c",
        "d": "order-2",
    }


def killed(*_):
    raise Killed
