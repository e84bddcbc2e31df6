"""Commands of operators about events that are stored in S3."""

from uuid import uuid4

import pytest
from support.builders import an_envelope, an_order
from support.dead_letters import Dead, document, run

from workers.aws.clients import Clients
from workers.ops.doctor.examine import diagnose
from workers.ops.references import payloads_of
from workers.pointer import Named, Pointer
from workers.provision.provision import provision
from workers.runtime.payloads import EXPIRY_DAYS
from workers.topology import Topology

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(provisioned, monkeypatch):
    """Return the settings of a system with a bucket, which is created."""
    bucket = f"payloads-{uuid4()}"
    settings = provisioned.model_copy(update={"payload_bucket": bucket})
    monkeypatch.setenv("NAME_PREFIX", provisioned.name_prefix)
    monkeypatch.setenv("PAYLOAD_BUCKET", bucket)
    provision(settings, Topology.load())
    return settings


@pytest.fixture
def dead(settings):
    return Dead(settings)


@pytest.fixture
def clients(settings):
    return Clients.connect(settings, threads=1)


def a_reference(settings, clients, *, missing=False):
    envelope = an_envelope(an_order(order_id="order-1"), event_id="event-1")
    raw = envelope.encode().encode()
    key = Named.of(envelope, raw).key
    if not missing:
        payloads_of(clients, settings).put(key, raw)
    return Pointer(settings.payload_bucket, key)


def shown():
    [letter] = document("dlq", "list", "payment")
    return letter, document("dlq", "show", "payment", letter["id"])


def test_show_reads_the_event_behind_a_reference_and_masks_it(settings, clients, dead):
    pointer = a_reference(settings, clients)
    dead.add(body=pointer.text)

    listed, letter = shown()

    assert (listed["event_type"], listed["event_id"]) == ("order.created", "event-1")
    assert letter["stored"] == {"at": f"s3://{pointer.bucket}/{pointer.key}", "problem": ""}
    assert letter["schema"] == ""
    assert "order-1" in letter["body"]
    assert "ada@example.com" not in letter["body"]
    text = run("dlq", "show", "payment", listed["id"])
    assert f"stored in s3://{pointer.bucket}/" in text.output
    revealed = run("dlq", "show", "payment", listed["id"], "--reveal", "--reason", "test")
    assert "ada@example.com" in revealed.output


def test_show_says_where_an_event_lies_that_it_cannot_read(settings, clients, dead, monkeypatch):
    dead.add(body=a_reference(settings, clients, missing=True).text)

    _, letter = shown()
    assert letter["stored"]["problem"] == "the object does not exist"

    monkeypatch.delenv("PAYLOAD_BUCKET")
    _, letter = shown()
    assert letter["stored"]["problem"] == "not read: PAYLOAD_BUCKET is not set"
    assert letter["stored"]["at"].startswith("s3://payloads-")


def test_a_handled_event_is_recognized_behind_its_reference(settings, clients, dead):
    dead.add(body=a_reference(settings, clients).text)
    dead.put("inbox#order-api#event-1", outcomes={"L": []})

    [letter] = document("dlq", "list", "payment")
    assert letter["processed"]


def test_a_redrive_sends_the_reference_unchanged(settings, clients, dead):
    pointer = a_reference(settings, clients)
    dead.add(body=pointer.text)

    run("dlq", "redrive", "payment", "--yes", "--reason", "test")

    assert [message["Body"] for message in dead.drain()] == [pointer.text]


def test_the_doctor_finds_a_bucket_that_is_missing_or_forgets_too_soon(settings, clients):
    def problems(**changes):
        changed = settings.model_copy(update=changes)
        found = diagnose(clients, changed, Topology.load(), {}).findings
        return [each.problem for each in found if each.area == "bucket"]

    assert problems() == []
    [missing] = problems(payload_bucket="no-such-bucket-anywhere")
    assert missing.startswith("does not exist")

    rule = {"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 7}}
    clients.s3().put_bucket_lifecycle_configuration(
        Bucket=settings.payload_bucket, LifecycleConfiguration={"Rules": [rule]}
    )
    [short] = problems()
    assert f"after 7 days instead of {EXPIRY_DAYS}" in short

    provision(settings, Topology.load())
    assert problems() == []
