"""Cancelled transactions become the errors of the port ``Store``."""

from decimal import Decimal

import pytest
from support.builders import a_payment, an_envelope

from workers.aws.dynamodb import DynamoStore
from workers.aws.items import to_item
from workers.envelope import Encoded
from workers.runtime.errors import Conflict, FatalError, InProgress, PermanentError, Unavailable
from workers.runtime.ports import Handling

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


def commit_together(store, count=3):
    handlings = {
        f"order-api#event-{n}": Handling(f"message-{n}", 1, 1.0, 2.0, "worker-1", "1")
        for n in range(count)
    }
    tx = store.begin_together(handlings, guard=lambda: None)
    tx.add("hour#1", {"orders": 1})
    return store.commit_together(tx)


@pytest.mark.parametrize("other", ["None", "TransactionConflict", "ThrottlingError"])
def test_the_events_of_a_batch_that_were_handled_before_are_named_whatever_else_failed(
    dynamodb, other
):
    stubber, store = dynamodb
    cancel(stubber, OK, {"Code": "ConditionalCheckFailed"}, OK, {"Code": other})

    assert commit_together(store) == {"order-api#event-1"}


@pytest.mark.parametrize(
    ("inbox", "document", "kind"),
    [
        ("TransactionConflict", "None", Conflict),
        ("None", "TransactionConflict", Conflict),
        ("None", "ConditionalCheckFailed", Conflict),
        ("None", "ThrottlingError", Unavailable),
        ("ThrottlingError", "TransactionConflict", Unavailable),
        ("None", "ValidationError", PermanentError),
    ],
)
def test_a_refused_batch_without_a_duplicate_is_an_error(dynamodb, inbox, document, kind):
    stubber, store = dynamodb
    cancel(stubber, OK, OK, {"Code": inbox}, {"Code": document, "Message": "why"})

    with pytest.raises(kind):
        commit_together(store)


@pytest.mark.parametrize(
    ("amount", "more"),
    [
        (Decimal(10**37), Decimal("0.01")),  # 40 digits; DynamoDB takes 38
        (1, "one"),
        ("one", 1),
        (True, 1),
    ],
)
def test_a_sum_that_dynamodb_would_not_store_is_refused(dynamodb, amount, more):
    _, store = dynamodb
    tx = store.begin(CAUSE.key)
    tx.add("hour#1", {"revenue.EUR": amount})

    with pytest.raises(PermanentError):
        tx.add("hour#1", {"revenue.EUR": more})


def test_money_is_added_up_exactly(dynamodb):
    _, store = dynamodb
    tx = store.begin(CAUSE.key)
    for amount in (Decimal("9999999999999999999999999999999999.99"), Decimal("0.01"), -1):
        tx.add("hour#1", {"revenue.EUR": amount})

    (write,) = tx.writes()

    assert write["Update"]["ExpressionAttributeValues"][":f0"] == {
        "N": "9999999999999999999999999999999999.00"
    }
