"""A resumed redrive neither loses nor doubles what the interrupted one may have sent."""

import pytest
from support.dead_letters import Dead, run

from workers.ops import dlq_doubts, dlq_redrive
from workers.ops.dlq_place import Place
from workers.ops.dlq_redrive import Pace, redrive
from workers.ops.dlq_select import Selection, SelectionError
from workers.ops.operations import Operation, TakenOverError
from workers.runtime.errors import Unavailable

pytestmark = pytest.mark.integration


class Killed(BaseException):
    """Ends a run between two requests."""


@pytest.fixture
def dead(provisioned, monkeypatch):
    monkeypatch.setattr(dlq_doubts, "PATIENCE", 0.0)
    return Dead(provisioned)


@pytest.fixture
def place(dead):
    return Place(dead.sqs, dead.dynamodb, "payment", dead.table, "dlq", dead.dlq, dead.queue)


def move(place, selection=Selection(where="id"), **named):  # noqa: B008 - immutable
    with Operation.running(place.dynamodb, place.table, place.kind, by="ana") as operation:
        return redrive(place, selection, Pace(), operation, **named)


def killed(place, monkeypatch, owner, name):
    """Run a redrive that ends instead of the first call of a function."""

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, kill)
        with pytest.raises(Killed):
            move(place)


def orders(n):
    return [f"order-{i:04}" for i in range(n)]


def test_what_was_sent_but_not_deleted_is_not_sent_again(dead, place, monkeypatch):
    dead.add(*orders(10))
    dead.add(body="not json", type="malformed")

    killed(place, monkeypatch, dlq_redrive, "delete")
    moved = move(place)

    assert moved.resumed
    assert len(dead.drain()) == 11
    assert dead.drain(dead.dlq) == []


def test_what_was_not_sent_is_sent(dead, place, monkeypatch):
    dead.add(*orders(10))

    killed(place, monkeypatch, dlq_redrive, "send")
    move(place)

    assert dead.orders() == orders(10)
    assert dead.left() == []


def test_what_may_have_been_sent_and_was_handled_is_not_sent_again(dead, place, monkeypatch):
    dead.add(*orders(10))
    killed(place, monkeypatch, Operation, "sent")
    assert dead.orders() == orders(10)
    dead.handled(*orders(7))

    moved = move(place)

    assert dead.orders() == orders(10)[7:]
    assert (moved.moved, moved.doubtful, dead.left()) == (10, 0, [])


def test_what_may_have_been_sent_and_failed_again_is_not_sent_again(dead, place, monkeypatch):
    dead.add(body="not json", type="malformed", key="message#m-1")
    killed(place, monkeypatch, Operation, "sent")
    assert len(dead.drain()) == 1
    dead.add(body="not json", type="malformed", key="message#m-1", redrives="1")

    moved = move(place)

    assert (moved.moved, moved.doubtful) == (1, 0)
    assert dead.drain() == []
    [back] = dead.drain(dead.dlq)
    assert back["MessageAttributes"]["failure.redrives"]["StringValue"] == "1"


def test_an_unreadable_message_that_may_have_been_sent_is_left_and_named(dead, place, monkeypatch):
    dead.add(body="not json", type="malformed")
    killed(place, monkeypatch, Operation, "sent")

    moved = move(place)

    assert (moved.moved, moved.doubtful) == (0, 1)
    assert len(dead.drain()) == 1
    assert len(dead.drain(dead.dlq)) == 1


def test_a_redrive_of_other_messages_settles_what_is_in_doubt_first(dead, place, monkeypatch):
    dead.add(*orders(10))
    killed(place, monkeypatch, Operation, "sent")
    assert dead.orders() == orders(10)
    dead.handled(*orders(10))
    dead.add("other-1", type="permanent")

    moved = move(place, Selection(where="failure.type == 'permanent'"))

    assert moved.moved == 11
    assert (dead.orders(), dead.left()) == (["other-1"], [])


def test_another_operation_leaves_what_is_in_doubt_to_the_next_redrive(dead, place, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", dead.settings.name_prefix)
    dead.add(*orders(5))
    killed(place, monkeypatch, Operation, "sent")
    assert dead.orders() == orders(5)
    dead.handled(*orders(5))
    dead.add("other-1", type="permanent")
    selection = ("--where", "failure.type == 'permanent'")

    run("dlq", "discard", "payment", *selection, "--yes", "--reason", "a test")
    moved = move(place)

    assert (moved.moved, dead.orders(), dead.left()) == (5, [], [])


def test_a_wrong_selection_leaves_nothing_to_resume(dead, place):
    dead.add("order-1")
    with pytest.raises(SelectionError):
        move(place, Selection(ids=("nobody",)))

    assert move(place).resumed == ""


def test_a_run_that_was_taken_over_sends_nothing_more(dead, place, monkeypatch):
    """A process that was frozen goes on after another run has taken its place."""
    monkeypatch.setattr(dlq_redrive, "MOVERS", 1)
    dead.add(*orders(30))

    def overtake(_stage, moved, _total):
        if moved == 10:
            take_over(place)

    with pytest.raises(TakenOverError):
        move(place, progress=overtake)

    assert (len(dead.drain()), len(dead.drain(dead.dlq))) == (10, 20)


def take_over(place):
    place.dynamodb.update_item(
        TableName=place.table,
        Key={"pk": {"S": f"operation#{place.kind}"}},
        UpdateExpression="SET #run = :other",
        ExpressionAttributeNames={"#run": "run"},
        ExpressionAttributeValues={":other": {"S": "another run"}},
    )


def test_a_run_that_dies_is_taken_over_after_its_heartbeat_ends(dead, place):
    dead.add("order-1")
    with Operation.running(place.dynamodb, place.table, place.kind, by="bob") as first:
        first.unfinished = True
    place.dynamodb.update_item(
        TableName=place.table,
        Key={"pk": {"S": f"operation#{place.kind}"}},
        UpdateExpression="SET #state = :running",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":running": {"S": "running"}},
    )
    naps = []

    with Operation.running(
        place.dynamodb, place.table, place.kind, by="ana", sleep=naps.append
    ) as second:
        assert second.earlier.by == "bob"

    assert sum(naps) == 6.0


def test_a_send_without_an_answer_stops_the_run_and_is_settled_by_the_next(
    dead, place, monkeypatch
):
    dead.add(*orders(5))
    send = dlq_redrive.send

    def sent_but_unanswered(*arguments):
        send(*arguments)
        raise Unavailable("sqs: timeout", dependency="sqs")

    with monkeypatch.context() as patch:
        patch.setattr(dlq_redrive, "send", sent_but_unanswered)
        with pytest.raises(Unavailable):
            move(place)
    assert dead.orders() == orders(5)
    dead.handled(*orders(5))

    move(place)

    assert (dead.orders(), dead.left()) == ([], [])
