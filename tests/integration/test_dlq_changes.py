"""Operators correct, discard, export and import dead letters; the audit keeps who did what."""

import json

import boto3
import pytest
from support.dead_letters import Dead, document, event, run

from workers.events import decode
from workers.signing import Signing

pytestmark = pytest.mark.integration

LINE = '{"service": "payment", "queue": "dlq", "id": "1", "body": "x", "attributes": {}}'
YES = ("--yes", "--reason", "wrong currency")


@pytest.fixture
def dead(provisioned, monkeypatch):
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)
    monkeypatch.setenv("ALLOW_EDIT", "true")
    return Dead(provisioned)


def only(dead):
    """Return the id of the only dead letter."""
    [letter] = document("dlq", "list", "payment")
    assert dead
    return letter["id"]


def test_editing_is_off_by_default(dead, monkeypatch):
    monkeypatch.delenv("ALLOW_EDIT")
    dead.add("order-1")

    result = run(
        *("dlq", "edit", "payment", only(dead), "--set", "data.currency=USD", *YES), code=2
    )

    assert "ALLOW_EDIT=true" in result.stderr
    assert dead.drain() == []


def test_a_corrected_event_is_new_and_names_its_cause(dead):
    dead.add("order-1")
    edit = ("dlq", "edit", "payment", only(dead)[:9], "--set", "data.currency=USD")
    dry = document(*edit)
    assert dry["diff"] == ['data.currency: "EUR" -> "USD"']
    assert (dry["sent"], dead.drain()) == (False, [])

    done = document(*edit, *YES)

    [message] = dead.drain()
    corrected, original = decode(message["Body"]), decode(event("order-1"))
    assert (corrected.data.currency, corrected.data.order_id) == ("USD", "order-1")
    assert corrected.event_id == done["event_id"] == dry["event_id"] != original.event_id
    assert corrected.causation_id == original.event_id
    assert corrected.correlation_id == original.correlation_id
    attributes = {n: each["StringValue"] for n, each in message["MessageAttributes"].items()}
    assert attributes["eventType"] == "order.created"
    assert not [name for name in attributes if name.startswith("failure.")]
    assert dead.left() == []


def test_a_number_stays_a_text_where_a_text_was(dead):
    dead.add("order-1")
    prices = ("--set", "data.items.0.price=7.10", "--set", "data.totalAmount=14.20")

    document("dlq", "edit", "payment", only(dead), *prices, "--set", "eventVersion=1.0", *YES)

    [message] = dead.drain()
    body = json.loads(message["Body"])
    assert body["eventVersion"] == "1.0"
    assert (body["data"]["items"][0]["price"], body["data"]["totalAmount"]) == ("7.10", "14.20")


def test_the_audit_keeps_the_diff_without_personal_data(dead):
    dead.add("order-1")

    done = document(
        *("dlq", "edit", "payment", only(dead), *YES),
        *("--set", "data.customerEmail=new@example.com", "--set", "data.items.0.quantity=3"),
    )

    assert done["diff"] == ['data.customerEmail: "***" -> "***"', "data.items.0.quantity: 2 -> 3"]
    [entry] = document("audit", "payment")
    assert (entry["action"], entry["count"], entry["reason"]) == ("dlq edit", 1, "wrong currency")
    assert "data.items.0.quantity: 2 -> 3" in entry["detail"]["diff"]
    assert "example.com" not in json.dumps(entry)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "eventId=x"], "eventId cannot be changed"),
        (["--set", "causationId=x"], "causationId cannot be changed"),
        (["--set", "data.currency=euro"], "currency: String should match"),
        (["--set", "data.nothing.inner=1"], "there is no such field"),
        (["--set", "data.items.7.quantity=1"], "there is no such field"),
        (["--set", "data.currency=EUR"], "nothing would change"),
        (["--set", "nonsense"], "--set needs PATH=VALUE"),
        ([], "give either --set"),
    ],
)
def test_a_correction_that_is_not_valid_sends_nothing(dead, options, words):
    dead.add("order-1")

    result = run("dlq", "edit", "payment", only(dead), *options, *YES, code=2)

    assert words in result.stderr
    assert dead.drain() == []
    assert len(dead.left()) == 1


def test_an_unreadable_message_is_replaced_from_a_file(dead, tmp_path):
    dead.add(body="{truncated", type="malformed")
    file = tmp_path / "event.json"
    file.write_text(event("order-9"))
    message_id = only(dead)

    run("dlq", "edit", "payment", message_id, "--from", file, *YES)

    [message] = dead.drain()
    assert decode(message["Body"]).causation_id == message_id


def test_an_event_that_the_service_does_not_consume_is_refused(dead, tmp_path):
    dead.add(body="{truncated", type="malformed")
    file = tmp_path / "event.json"
    shipped = json.loads(event("order-9")) | {"eventType": "order.shipped"}
    file.write_text(json.dumps(shipped))

    result = run("dlq", "edit", "payment", only(dead), "--from", file, *YES, code=2)

    assert "does not consume order.shipped" in result.stderr


def test_a_correction_is_signed_where_signing_is_on(dead, monkeypatch):
    old, new = Signing({"old": "o" * 32}, "old"), Signing({"new": "n" * 32}, "new")
    dead.add(body=old.sign(event("order-1")))
    monkeypatch.setenv("SIGNING", "require")
    monkeypatch.setenv("SIGNING_KEY_ID", "new")
    monkeypatch.setenv("SIGNING_KEYS", json.dumps({"new": "n" * 32}))
    run("dlq", "edit", "payment", only(dead), "--set", "data.currency=USD", *YES)
    (message,) = dead.drain()
    new.verify(message["Body"])


def test_a_forged_event_cannot_be_corrected(dead):
    dead.add(body=event("order-1").replace('"source":"order-api"', '"source":"analytics"'))
    result = run(
        *("dlq", "edit", "payment", only(dead), "--set", "data.currency=USD", *YES), code=2
    )
    assert "order.created from a stranger" in result.stderr


def test_discarding_needs_a_reason_and_deletes_the_selection_only(dead):
    dead.add("order-1", "order-2", type="permanent")
    dead.add("order-3")
    selection = ("--where", "failure.type == 'permanent'")
    assert document("dlq", "discard", "payment", *selection)["messages"] == 2
    assert "--reason" in run("dlq", "discard", "payment", *selection, "--yes", code=2).stderr

    done = document("dlq", "discard", "payment", *selection, *YES)

    assert (done["messages"], done["discarded"]) == (2, True)
    assert dead.left() == ["order-3"]
    [entry] = document("audit", "payment")
    assert (entry["action"], entry["count"]) == ("dlq discard", 2)
    assert all(each in entry["detail"]["ids"] for each in done["ids"])


def test_exported_messages_come_back_with_their_attributes_and_only_once(dead, tmp_path):
    odd = 'not json \u2028 "quoted" \u009b'
    dead.add(body=odd, type="malformed")
    dead.add("order-1", "order-2")
    file = tmp_path / "letters.ndjson"
    run("dlq", "export", "payment", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(document("dlq", "list", "payment")) == 3, "exporting deletes nothing"
    assert run("dlq", "export", "payment", file, code=2)
    assert document("dlq", "import", "payment", file, "--yes")["messages"] == 0
    before = {m["Body"]: m["MessageAttributes"] for m in dead.drain(dead.dlq)}

    assert document("dlq", "import", "payment", file)["messages"] == 3
    assert dead.drain(dead.dlq) == []
    assert document("dlq", "import", "payment", file, "--yes")["messages"] == 3
    again = document("dlq", "import", "payment", file, "--yes")
    assert (again["messages"], again["there"]) == (0, 3)

    after = {m["Body"]: m["MessageAttributes"] for m in dead.drain(dead.dlq)}
    assert after.keys() == before.keys() == {odd, event("order-1"), event("order-2")}
    for body, attributes in before.items():
        assert attributes.items() <= after[body].items()
    assert {each["action"] for each in document("audit", "payment")} == {"dlq export", "dlq import"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (LINE.replace("payment", "orders"), "line 2 is of orders"),
        (LINE.replace("dlq", "undelivered"), "line 2 is of payment (undelivered)"),
        ("not json", "line 2 is not a message"),
        ('{"service": "payment"}', "line 2 is not a message"),
        (LINE.replace('"x"', '""'), "no body"),
    ],
)
def test_a_file_that_does_not_fit_imports_nothing(dead, tmp_path, line, words):
    file = tmp_path / "letters.ndjson"
    file.write_text(f"{LINE}\n{line}\n")

    result = run("dlq", "import", "payment", file, "--yes", code=2)

    assert words in result.stderr
    assert dead.drain(dead.dlq) == []


def test_a_body_is_masked_unless_it_is_revealed_and_revealing_is_on_record(dead):
    dead.add("order-1")
    message_id = only(dead)

    masked = run("dlq", "show", "payment", message_id).stdout
    assert "ada@example.com" not in masked
    assert '"customerEmail": "***"' in masked
    assert document("audit", "payment") == []

    revealed = document("dlq", "show", "payment", message_id, "--reveal", "--reason", "call")
    assert revealed["body"] == event("order-1")
    [entry] = document("audit", "payment")
    assert (entry["action"], entry["reason"]) == ("dlq show --reveal", "call")
    assert entry["by"] == boto3.client("sts").get_caller_identity()["Arn"]
    assert entry["detail"]["message"] == message_id


def test_show_has_every_attempt_the_verdict_of_the_schema_and_the_next_step(dead):
    dead.add("order-1")
    attempt = {
        "at": {"S": "2026-11-21T10:00:00.000+00:00"},
        "type": {"S": "TimeoutError"},
        "reason": {"S": "no answer"},
        "frame": {"S": "workers.services.payment:charge"},
        "outcome": {"S": "dead_lettered"},
        "version": {"S": "abc1234"},
    }
    first = attempt | {"at": {"S": "2026-11-20T10:00:00.000+00:00"}}
    rows = {"attempt#m-2#1": {"M": attempt}, "attempt#m-1#3": {"M": first}}
    dead.put("failures#order-api#event-order-1", **rows)
    dead.add(body='{"eventType": "order.lost"}', type="unknown_type")

    letters = {each["type"]: each["id"] for each in document("dlq", "list", "payment")}
    shown = document("dlq", "show", "payment", letters["TimeoutError"])
    assert [each["message_id"] for each in shown["tries"]] == ["m-1", "m-2"]
    assert (shown["schema"], shown["processed"]) == ("", False)
    assert "dlq redrive payment --group" in shown["next"]
    text = run("dlq", "show", "payment", letters["TimeoutError"]).stdout
    assert "2026-11-20T10:00:00 TimeoutError: no answer in workers.services.payment:charge" in text
    assert "version abc1234" in text

    unknown = document("dlq", "show", "payment", letters["unknown_type"])
    assert unknown["schema"]
    assert "Deploy one that does" in unknown["next"]

    dead.handled("order-1")
    handled = document("dlq", "show", "payment", letters["TimeoutError"])
    assert handled["processed"]
    assert "dlq discard" in handled["next"]


def test_an_unknown_message_exits_with_2_and_says_what_exists(dead):
    dead.add("order-1")

    result = run("dlq", "show", "payment", "nobody", code=2)

    assert only(dead)[:8] in result.stderr


def test_a_message_that_another_reader_holds_is_not_called_unknown(dead):
    dead.add("order-1")
    [held] = dead.hold()

    result = run("dlq", "show", "payment", held["MessageId"], code=1)

    assert "1 there, 0 readable now" in result.stderr
