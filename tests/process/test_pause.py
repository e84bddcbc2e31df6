"""Workers of one service see a pause within ten seconds, and its end."""

import json
from signal import SIGTERM
from time import monotonic, sleep

import pytest
from support.eventually import eventually
from typer.testing import CliRunner

from workers import cli
from workers.aws.heartbeats import from_row, ids_of
from workers.runtime.roster import BEAT_EVERY

pytestmark = pytest.mark.process

AND_A_MOMENT = 5  # s; for a busy machine
POLL = 1.2  # s; a poll that was open may still return messages


def rows(world, *keys):
    found = world.dynamodb.batch_get_item(
        RequestItems={world.prefix + "payment": {"Keys": [{"pk": {"S": k}} for k in keys]}}
    )
    return found["Responses"][world.prefix + "payment"]


def roster(world):
    return [worker for row in rows(world, "workers") for worker in ids_of(row)]


def beats(world):
    return [from_row(row) for row in rows(world, *(f"worker#{w}" for w in roster(world)))]


@pytest.fixture
def operate(world, monkeypatch):
    """Return a function that runs a command of an operator and reads its JSON."""
    monkeypatch.setenv("NAME_PREFIX", world.prefix)

    def operate(*arguments):
        ended = CliRunner().invoke(cli.build(), [*arguments, "--json"])
        assert ended.exit_code == 0, ended.output
        return json.loads(ended.stdout)

    return operate


def test_two_workers_pause_and_resume_within_ten_seconds(world, work, operate):
    workers = [work(), work()]
    eventually(lambda: len(roster(world)) == 2, 5)

    began = monotonic()
    told = operate("pause", "payment", "--reason", "a bad deploy", "--yes")
    assert monotonic() - began < BEAT_EVERY + AND_A_MOMENT
    assert (told["workers"], told["applied"]) == (2, True)
    assert not any(worker.ready for worker in workers)
    assert "until resumed: a bad deploy" in workers[0].get("/readyz")[1]
    assert all(worker.lives for worker in workers)
    sleep(POLL)
    world.send("quick-1")
    third = work_paused(work)
    assert world.waiting == 1

    operate("resume", "payment", "--yes")
    eventually(lambda: world.effects("quick-1") == 1, AND_A_MOMENT)
    eventually(lambda: all(worker.ready for worker in (*workers, third)), AND_A_MOMENT)
    for worker in (*workers, third):
        worker.signal(SIGTERM)
    assert [worker.ends() for worker in (*workers, third)] == [0, 0, 0]
    assert roster(world) == []


def work_paused(work):
    """Start a worker, which is not ready while its service is paused."""
    return work(until=lambda worker: worker.lines("receive.paused"))


def test_a_killed_worker_stays_on_the_roster_and_is_silent(world, work):
    worker = work()
    eventually(lambda: roster(world), 5)
    worker.kill()
    (beat,) = beats(world)
    assert beat.worker.endswith(f"-{worker.pid}")
    assert beat.slots > 0
