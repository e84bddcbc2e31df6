"""The audit keeps who did what, and survives operations that fail, stop or never end."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from typer.testing import CliRunner

from workers import cli
from workers.aws.clients import Clients
from workers.aws.identity import caller
from workers.ops import audit
from workers.ops.dlq_select import Selection
from workers.runtime.errors import Unavailable

pytestmark = pytest.mark.integration

ME = "arn:aws:sts::123456789012:assumed-role/dev-order-pipeline-operator/ana"


@pytest.fixture
def table(provisioned):
    return f"{provisioned.name_prefix}payment"


@pytest.fixture
def dynamodb(provisioned):
    return Clients.connect(provisioned, threads=1).dynamodb()


def read(dynamodb, table, days=1):
    return audit.history(dynamodb, table, days=days, today=datetime.now(UTC).date())


def test_an_operation_is_on_record_before_it_acts_and_complete_after_it(dynamodb, table):
    with audit.record(
        dynamodb, table, by=ME, action="dlq redrive", reason="fixed", count=3, detail={"where": "x"}
    ) as recording:
        [running] = read(dynamodb, table)
        assert (running.result, running.ended_at, running.count) == ("", "", 3)
        recording.count = 2
        recording.detail["failed"] = "1"

    [ended] = read(dynamodb, table)
    assert (ended.by, ended.action, ended.reason) == (ME, "dlq redrive", "fixed")
    assert (ended.result, ended.count) == (audit.DONE, 2)
    assert ended.detail == {"where": "x", "failed": "1"}
    assert running.at == ended.at <= ended.ended_at


def test_no_address_of_a_customer_gets_on_record_but_the_caller_does(dynamodb, table):
    address, who = "canary@example.com", f"{ME}@corp.example"
    where = Selection(where=f"contains(text, '{address}')")
    with audit.record(
        dynamodb, table, by=who, action="a", reason=f"{address} asked", detail={"where": where}
    ) as recording:
        recording.detail["ids"] = f"x {address}"

    rows = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
    assert address not in str(rows)
    assert [each.by for each in read(dynamodb, table)] == [who]


@pytest.mark.parametrize(
    ("error", "result"),
    [(KeyboardInterrupt(), audit.INTERRUPTED), (ValueError("x@example.com"), "failed: ValueError")],
)
def test_an_operation_that_raises_is_completed_with_its_result(dynamodb, table, error, result):
    with pytest.raises(type(error)), audit.record(dynamodb, table, by=ME, action="dlq discard"):
        raise error

    assert [each.result for each in read(dynamodb, table)] == [result]


def test_nothing_happens_without_a_record(dynamodb, table, monkeypatch):
    acted = []
    monkeypatch.setattr(dynamodb, "update_item", lambda **_: _no_answer(dynamodb))

    with pytest.raises(Unavailable), audit.record(dynamodb, table, by=ME, action="dlq discard"):
        acted.append(1)

    assert acted == []


def _no_answer(dynamodb):
    raise dynamodb.exceptions.InternalServerError(
        {"Error": {"Code": "InternalServerError"}}, "UpdateItem"
    )


def test_a_day_with_many_operations_goes_on_in_another_row(dynamodb, table, monkeypatch):
    monkeypatch.setattr(audit, "PER_ROW", 2)
    for number in range(5):
        with audit.record(dynamodb, table, by=ME, action="dlq show --reveal", count=number):
            pass

    found = read(dynamodb, table)

    assert [each.count for each in found] == [4, 3, 2, 1, 0]
    assert {each.result for each in found} == {audit.DONE}


def test_the_largest_records_of_a_row_fit_into_an_item(dynamodb, table):
    worst = "\U0001f600" * audit.MAX_DETAIL
    texts = dict.fromkeys(("where", "ids", "diff"), worst)
    for _ in range(audit.PER_ROW):
        with audit.record(
            dynamodb, table, by=worst, action=worst, reason=worst, detail=texts
        ) as recording:
            recording.result = worst

    day = datetime.now(UTC).date()
    item = dynamodb.get_item(TableName=table, Key={"pk": {"S": f"audit#{day}"}})["Item"]
    assert item["records"]["N"] == str(audit.PER_ROW)


def test_records_expire_and_older_days_are_read_only_when_asked_for(dynamodb, table):
    with audit.record(dynamodb, table, by=ME, action="pause"):
        pass
    day = datetime.now(UTC).date()
    row = dynamodb.get_item(TableName=table, Key={"pk": {"S": f"audit#{day}"}})["Item"]
    kept = int(row["expires"]["N"]) - datetime.now(UTC).timestamp()
    assert kept == pytest.approx(audit.KEPT.total_seconds(), abs=60)
    dynamodb.put_item(
        TableName=table, Item={**row, "pk": {"S": f"audit#{day - timedelta(days=2)}"}}
    )

    assert [len(read(dynamodb, table, days)) for days in (1, 2, 3)] == [1, 1, 2]


def test_the_command_lists_operations_with_the_session_that_carried_them_out(
    dynamodb, table, provisioned, monkeypatch
):
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)
    run = CliRunner()
    assert "no operations" in run.invoke(cli.build(), ["audit", "payment"]).stdout
    with audit.record(dynamodb, table, by=ME, action="pause", reason="[red]deploy", count=1):
        pass

    shown = run.invoke(cli.build(), ["audit", "payment"]).stdout
    assert "dev-order-pipeline-operator/ana" in shown
    assert "[red]deploy" in shown
    [document] = json.loads(run.invoke(cli.build(), ["audit", "payment", "--json"]).stdout)
    assert (document["by"], document["count"]) == (ME, 1)
    assert run.invoke(cli.build(), ["audit", "nobody"]).exit_code == 2


def test_the_caller_is_named_by_sts(provisioned):
    arn = caller(Clients.connect(provisioned, threads=1))

    assert arn == boto3.client("sts").get_caller_identity()["Arn"]
