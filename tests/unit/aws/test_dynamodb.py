"""Cancelled transactions become the errors of the port ``Store``."""

import pytest
from support.builders import a_payment, an_envelope

from workers.aws.dynamodb import DynamoStore
from workers.aws.items import to_item
from workers.envelope import Encoded
from workers.runtime.errors import Conflict, FatalError, InProgress, PermanentError, Unavailable

CAUSE = an_envelope()
OUTCOME = Encoded.of(CAUSE.then(a_payment(), source="payment"))
OK = {"Code": "None"}


@pytest.fixture
def dynamodb(stubbed):
    client, stubber = stubbed("dynamodb")
    return stubber, DynamoStore(client, "payment", clock=lambda: 1_000.0)


def commit(store):
    tx = store.begin(CAUSE.key)
    tx.add("hour#1", {"orders": 1})
    return store.commit(tx, (OUTCOME,))


def cancel(stubber, *reasons):
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        http_status_code=400,
        modeled_fields={"CancellationReasons": list(reasons)},
    )


@pytest.mark.parametrize(
    ("inbox", "document", "kind"),
    [
        ("TransactionConflict", "None", InProgress),
        ("TransactionConflict", "ConditionalCheckFailed", InProgress),
        ("None", "ConditionalCheckFailed", Conflict),
        ("None", "TransactionConflict", Conflict),
        ("None", "ThrottlingError", Unavailable),
        ("None", "ProvisionedThroughputExceeded", Unavailable),
        ("ThrottlingError", "ConditionalCheckFailed", Unavailable),
        ("None", "ValidationError", PermanentError),
        ("None", "ItemCollectionSizeLimitExceeded", PermanentError),
    ],
)
def test_a_cancellation_is_read_reason_by_reason(dynamodb, inbox, document, kind):
    stubber, store = dynamodb
    cancel(stubber, {"Code": inbox}, {"Code": document, "Message": "why"})

    with pytest.raises(kind) as raised:
        commit(store)

    assert type(raised.value) is kind


@pytest.mark.parametrize("other", ["None", "ConditionalCheckFailed", "TransactionConflict"])
def test_an_existing_inbox_row_means_success_whatever_else_failed(dynamodb, other):
    stubber, store = dynamodb
    row = to_item({"pk": f"inbox#{CAUSE.key}", "outcomes": [OUTCOME.body], "fingerprint": "f"})
    cancel(stubber, {"Code": "ConditionalCheckFailed", "Item": row}, {"Code": other})

    record = commit(store)

    assert (record.outcomes, record.repeated, record.fingerprint) == ((OUTCOME,), True, "f")


def test_outcomes_recorded_by_a_newer_version_are_recalled_byte_for_byte(dynamodb):
    stubber, store = dynamodb
    bodies = [
        OUTCOME.body.replace('"1.0"', '"1.1"').replace('"data":{', '"tenant": 1, "data":{"x": [],'),
        '{"eventType": "payment.split",  "eventId": "e-2", "eventVersion": "2.0"}\n',
    ]
    row = to_item({"pk": f"inbox#{CAUSE.key}", "outcomes": bodies, "fingerprint": "f"})
    stubber.add_response("get_item", {"Item": row})

    outcomes = store.recall(CAUSE.key).outcomes

    assert [event.body for event in outcomes] == bodies
    assert [event.attributes["eventVersion"] for event in outcomes] == ["1.1", "2.0"]


def test_a_row_that_is_not_returned_is_read(dynamodb):
    stubber, store = dynamodb
    row = to_item({"pk": f"inbox#{CAUSE.key}", "outcomes": [OUTCOME.body], "fingerprint": "f"})
    cancel(stubber, {"Code": "ConditionalCheckFailed"}, OK)
    stubber.add_response("get_item", {"Item": row})

    assert commit(store).repeated


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("TransactionInProgressException", 400, Conflict),
        ("ProvisionedThroughputExceededException", 400, Unavailable),
        ("InternalServerError", 500, Unavailable),
        ("ResourceNotFoundException", 400, FatalError),
        ("ValidationException", 400, PermanentError),
    ],
)
def test_a_call_that_fails_as_a_whole_is_translated(dynamodb, code, status, kind):
    stubber, store = dynamodb
    stubber.add_client_error("transact_write_items", code, http_status_code=status)

    with pytest.raises(kind):
        commit(store)
