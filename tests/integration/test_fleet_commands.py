"""``workers queues``, ``pause`` and ``resume`` on the embedded AWS."""

import asyncio
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import boto3
import pytest
from textual.widgets import DataTable, Static
from typer.testing import CliRunner

from local.tcp_proxy import TcpProxy
from workers import cli
from workers.aws.clients import Clients
from workers.aws.heartbeats import PAUSE, DynamoRoster
from workers.cli.top_screen import Top
from workers.ops import heartbeats, pause
from workers.ops.heartbeats import SILENT_AFTER, fleet
from workers.ops.live import Live
from workers.runtime.roster import Heartbeat
from workers.topology import Topology

pytestmark = pytest.mark.integration


@pytest.fixture
def workers(provisioned, monkeypatch):
    """Run a command; return its output, with its errors if it is to exit with another code."""
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)
    monkeypatch.setattr(pause, "SEEN_WITHIN", 0)

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli.build(), arguments)
        if code == 1 and result.exception and not isinstance(result.exception, SystemExit):
            return str(result.exception)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output if code else result.stdout

    return run


@pytest.fixture
def roster(provisioned):
    dynamodb = Clients.connect(provisioned, threads=1).dynamodb()
    return DynamoRoster(dynamodb, f"{provisioned.name_prefix}payment")


def report(roster, worker="worker-1", silent=0, **changes):
    """Let a worker join and report."""
    at = datetime.now(UTC) - timedelta(seconds=silent)
    beat = replace(Heartbeat(worker, at=at, started_at=at, slots=10), **changes)
    roster.beat(beat)
    roster.join(worker)
    return beat


def of_payment(workers):
    return next(q for q in json.loads(workers("queues", "--json")) if q["service"] == "payment")


def test_queues_shows_workers_rates_and_ages(workers, roster, provisioned):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{provisioned.name_prefix}payment-queue")["QueueUrl"]
    for _ in range(6):
        sqs.send_message(QueueUrl=url, MessageBody="{}")
    sent_at = (datetime.now(UTC) - timedelta(seconds=90)).timestamp()
    report(roster, "a", rate=2.0, oldest_sent_at=sent_at)
    report(roster, "b", rate=1.0)
    report(roster, "killed", silent=SILENT_AFTER + 5, rate=50.0)

    found = of_payment(workers)

    assert (found["visible"], found["workers"], found["silent"]) == (6, 2, 1)
    assert (found["rate_out"], found["rate_in"], found["drain_seconds"]) == (3.0, None, 2)
    assert found["oldest_seconds"] == pytest.approx(90, abs=5)
    shown = next(line for line in workers("queues").splitlines() if "payment" in line)
    assert "2 (1 silent)" in shown
    assert "> 2 s" in shown
    assert "as of 20" in workers("queues")


def test_a_fleet_of_250_is_read_in_batches(roster):
    for n in range(250):
        report(roster, f"worker-{n:03}")
    assert len(fleet(roster.client, roster.table).running) == 250
    assert heartbeats.running(roster.client, roster.table)[7].worker == "worker-007"


def test_workers_are_judged_by_the_clock_of_aws(roster, monkeypatch):
    """The clock of a laptop may be an hour off."""
    report(roster)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(heartbeats, "datetime", type("Ahead", (), {"now": lambda _tz: ahead}))
    assert len(fleet(roster.client, roster.table).running) == 1


def test_a_wrong_prefix_says_what_was_looked_up_where(workers, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", "wrong-")
    text = workers("queues", code=1)
    for part in ("wrong-payment-queue", "wrong-orders-queue-dlq", "eu-west-1", "http://127.0.0.1"):
        assert part in text
    assert "account 123456789012" in text


def test_an_endpoint_that_does_not_answer_is_an_error_within_seconds(
    aws, provisioned, unreachable_url
):
    """The time is that of a process, its start included."""
    assert provisioned
    began = monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "workers", "queues"],
        env=aws.environment(os.environ) | {"AWS_ENDPOINT_URL": unreachable_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert monotonic() - began < 8
    assert ended.returncode == 1
    assert ended.stderr.startswith("workers: ")
    assert unreachable_url in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_endpoint_that_hangs_is_an_error_within_seconds(aws, provisioned):
    wire = TcpProxy(int(aws.url.rpartition(":")[2]))
    wire.join()
    wire.hold()
    environment = aws.environment(os.environ) | {"AWS_ENDPOINT_URL": wire.url}
    began = monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "workers", "queues"],
        env=environment | {"NAME_PREFIX": provisioned.name_prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    wire.close()
    assert monotonic() - began < 15  # about 7 on an idle machine
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "timeout" in ended.stderr


def test_queues_takes_less_than_a_second_of_cpu_time(aws, provisioned):
    """Python's start included; most of the time of the command."""
    environment = aws.environment(os.environ) | {"NAME_PREFIX": provisioned.name_prefix}
    used = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "workers", "queues", "--json"],
            env=environment,
            capture_output=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(used) < 1


def test_a_pause_is_a_dry_run_until_it_is_confirmed(workers, roster):
    report(roster)
    assert "would pause 1 worker of payment" in workers("pause", "payment")
    assert roster.pause() is None
    dry = json.loads(workers("pause", "payment", "--for", "10m", "--json"))
    assert (dry["applied"], dry["workers"]) == (False, 1)
    assert roster.pause() is None


def test_a_pause_is_written_with_who_why_and_its_end(workers, roster):
    report(roster, paused=True)
    told = workers("pause", "payment", "--for", "10m", "--reason", "a fix", "--yes")

    written = roster.pause()
    assert "arn:aws:" in written.by
    assert written.reason == "a fix"
    assert written.until == pytest.approx(datetime.now(UTC).timestamp() + 600, abs=10)
    assert "1 of 1 worker confirmed" in told
    row = roster.client.get_item(TableName=roster.table, Key=PAUSE)["Item"]
    assert int(row["expires"]["N"]) == written.until + 86_400
    assert of_payment(workers)["paused"]["reason"] == "a fix"
    assert "payment is paused by arn:aws:" in workers("queues")


def test_a_worker_that_does_not_confirm_is_a_failure(workers, roster):
    report(roster)
    assert "0 of 1 worker confirmed" in workers("pause", "payment", "--yes", code=1)
    assert roster.pause() is not None


def test_a_service_without_workers_is_paused(workers, roster):
    assert "0 of 0 workers confirmed" in workers("pause", "payment", "--yes")
    assert roster.pause().until is None


def test_resume_removes_the_pause_and_is_a_dry_run_until_confirmed(workers, roster):
    assert "payment is not paused" in workers("resume", "payment", "--yes")
    workers("pause", "payment", "--yes")
    assert "would resume" in workers("resume", "payment")
    assert roster.pause() is not None
    assert json.loads(workers("resume", "payment", "--yes", "--json"))["applied"] is True
    assert roster.pause() is None


def test_both_leave_an_audit_record(workers, roster):
    workers("pause", "payment", "--reason", "a fix", "--for", "1h", "--yes")
    workers("resume", "payment", "--reason", "fixed", "--yes")
    key = {"pk": {"S": f"audit#{datetime.now(UTC).date()}"}}
    row = roster.client.get_item(TableName=roster.table, Key=key)["Item"]
    records = [field["M"] for name, field in row.items() if name.startswith("operation#")]
    assert sorted((r["action"]["S"], r["reason"]["S"], r["result"]["S"]) for r in records) == [
        ("pause", "a fix", "done"),
        ("resume", "fixed", "done"),
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pause", "shipping"), "payment"),
        (("resume", "relay"), "payment"),
        (("pause", "payment", "--for", "soon"), "write 90s, 10m, 2h or 1d"),
        (("pause", "payment", "--for", "0m"), "write 90s, 10m, 2h or 1d"),
        (("pause", "payment", "--for", "5d"), "SQS deletes messages of payment"),
        (("pause", "payment", "--reason", "x" * 201), "at most 200 characters"),
        (("pause", "payment", "--reason", "a\nb"), "one line"),
        (("queues", "--json", "--watch"), "exclude each other"),
    ],
)
def test_wrong_usage_says_what_is_right(workers, arguments, says):
    assert says in workers(*arguments, code=2)


def test_top_shows_pauses_and_groups_what_is_in_aws(provisioned, roster):
    sqs = boto3.client("sqs")
    dlq = sqs.get_queue_url(QueueName=f"{provisioned.name_prefix}payment-queue-dlq")["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=dlq, MessageBody="held by another reader")
    sqs.receive_message(QueueUrl=dlq, MaxNumberOfMessages=10, VisibilityTimeout=60)
    sqs.send_message(QueueUrl=dlq, MessageBody="no envelope")
    report(roster, "worker-7", rate=2.0)
    app = Top(Live(Clients.connect(provisioned, threads=4), provisioned, Topology.load()))
    services = list(Topology.load().consumers)

    async def settled(pilot):
        await app.workers.wait_for_complete()
        await pilot.pause()

    async def play():
        async with app.run_test(size=(160, 40)) as pilot:
            await settled(pilot)
            await pilot.press(*["down"] * services.index("payment"))
            queue = app.query_one("#queues", DataTable).get_row_at(services.index("payment"))
            assert str(queue[0]) == "payment"
            assert str(app.query_one("#workers", DataTable).get_row_at(0)[0]) == "worker-7"
            assert "outbox: 0 waiting" in str(app.query_one("#below", Static).render())

            await pilot.press("d")
            await settled(pilot)
            group = app.screen.query_one("#groups", DataTable).get_row_at(0)
            assert str(app.screen.query_one("#note").render()).startswith("4 there, 1 readable now")
            assert [str(cell) for cell in group][2:4] == ["unknown", "1"]
            await pilot.press("escape", "p", "enter")
            await settled(pilot)
            assert "payment is paused by arn:aws:" in str(app.query_one("#below", Static).render())

    asyncio.run(play())
    assert roster.pause().until == pytest.approx(datetime.now(UTC).timestamp() + 600, abs=60)
