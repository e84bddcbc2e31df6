"""Queues, the topic and tables are found by setting or by name."""

import pytest

from workers.aws import names
from workers.runtime.errors import FatalError, Unavailable
from workers.settings import Settings

ARN = "arn:aws:sns:eu-west-1:123456789012:"


@pytest.fixture(autouse=True)
def account(monkeypatch):
    """Ask nobody for the account."""
    monkeypatch.setattr(names, "account_of", lambda _region: "123456789012")


def settings(**values):
    return Settings(**values)


def test_a_setting_is_used_unchanged(stubbed):
    known = settings(queue_url="https://q", dlq_url="https://d", topic_arn="arn", table_name="t")

    assert names.queue_url(stubbed("sqs")[0], known, "payment") == "https://q"
    assert names.dlq_url(stubbed("sqs")[0], known, "payment") == "https://d"
    assert names.topic_arn(stubbed("sns")[0], known, "order-events") == "arn"
    assert names.table_name(stubbed("dynamodb")[0], known, "payment") == "t"


@pytest.mark.parametrize(
    ("find", "name"),
    [(names.queue_url, "dev-payment-queue"), (names.dlq_url, "dev-payment-queue-dlq")],
)
def test_a_queue_is_looked_up_by_its_name_in_the_map(stubbed, find, name):
    client, stubber = stubbed("sqs")
    stubber.add_response("get_queue_url", {"QueueUrl": "https://found"}, {"QueueName": name})

    assert find(client, settings(name_prefix="dev-"), "payment") == "https://found"


def test_a_missing_queue_is_named_together_with_the_setting(stubbed):
    client, stubber = stubbed("sqs")
    stubber.add_client_error("get_queue_url", "AWS.SimpleQueueService.NonExistentQueue")

    with pytest.raises(FatalError, match=r"payment-queue does not exist.*QUEUE_URL"):
        names.queue_url(client, settings(), "payment")


def test_a_failed_lookup_of_a_queue_is_transient(stubbed):
    client, stubber = stubbed("sqs")
    stubber.add_client_error("get_queue_url", "ServiceUnavailable", http_status_code=503)

    with pytest.raises(Unavailable):
        names.queue_url(client, settings(), "payment")


def test_the_topic_is_found_on_any_page_and_only_by_its_full_name(stubbed):
    client, stubber = stubbed("sns")
    pages = [
        {"Topics": [{"TopicArn": f"{ARN}other-order-events"}], "NextToken": "more"},
        {"Topics": [{"TopicArn": f"{ARN}order-events"}]},
    ]
    for page in pages:
        stubber.add_response("list_topics", page)

    assert names.topic_arn(client, settings(), "order-events") == f"{ARN}order-events"


def test_a_missing_topic_is_named_together_with_the_setting(stubbed):
    client, stubber = stubbed("sns")
    stubber.add_response("list_topics", {"Topics": []})

    with pytest.raises(FatalError, match=r"dev-order-events does not exist.*TOPIC_ARN"):
        names.topic_arn(client, settings(name_prefix="dev-"), "order-events")


def test_a_missing_table_is_named_together_with_the_setting(stubbed):
    client, stubber = stubbed("dynamodb")
    stubber.add_client_error("describe_table", "ResourceNotFoundException")

    with pytest.raises(FatalError, match=r"dev-payment does not exist.*TABLE_NAME"):
        names.table_name(client, settings(name_prefix="dev-"), "payment")


def test_a_missing_resource_is_named_together_with_the_place(stubbed):
    client, stubber = stubbed("sqs")
    stubber.add_client_error("get_queue_url", "AWS.SimpleQueueService.NonExistentQueue")

    with pytest.raises(FatalError) as missing:
        names.queue_url(client, settings(name_prefix="dev-"), "payment")

    text = str(missing.value)
    for part in (
        "queue dev-payment-queue does not exist",
        "account 123456789012",
        f"region {client.meta.region_name}",
        client.meta.endpoint_url,
        "NAME_PREFIX 'dev-'",
    ):
        assert part in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("find", "name"),
    [
        (names.queue_url, "dev-payment-queue.fifo"),
        (names.dlq_url, "dev-payment-queue-dlq.fifo"),
        (names.undelivered_url, "dev-payment-queue-undelivered.fifo"),
    ],
)
def test_fifo_queues_are_found(stubbed, monkeypatch, find, name):
    monkeypatch.setenv("FIFO", "true")
    client, stubber = stubbed("sqs")
    stubber.add_response("get_queue_url", {"QueueUrl": "https://found"}, {"QueueName": name})

    assert find(client, settings(name_prefix="dev-"), "payment") == "https://found"
