"""Topics of the stand-in deliver what subscriptions ask for, and mail needs a known sender."""

import json

import pytest

from bench.standin.refusals import Refused
from bench.standin.ses import Ses
from bench.standin.sns import Sns

ACCOUNT = "000000000000"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:order-events"


def subscription(queue, *types, raw="true"):
    attributes = {"RawMessageDelivery": raw, "FilterPolicy": json.dumps({"eventType": types})}
    form = {"TopicArn": TOPIC, "Endpoint": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{queue}"}
    for number, (name, value) in enumerate(attributes.items(), 1):
        form |= {f"Attributes.entry.{number}.key": name, f"Attributes.entry.{number}.value": value}
    return form


def entry(prefix, event_type, body):
    value = f"{prefix}MessageAttributes.entry.1.Value"
    return {
        f"{prefix}Message": body,
        f"{prefix}MessageAttributes.entry.1.Name": "eventType",
        f"{value}.DataType": "String",
        f"{value}.StringValue": event_type,
    }


@pytest.fixture
def delivered():
    return []


@pytest.fixture
def sns(delivered):
    made = Sns(ACCOUNT, lambda queue, body, attributes: delivered.append((queue, body, attributes)))
    made.act("CreateTopic", {"Name": "order-events"})
    return made


def test_a_queue_gets_the_types_that_its_filter_names(sns, delivered):
    sns.act("Subscribe", subscription("orders", "a", "b"))
    sns.act("Subscribe", subscription("payment", "c"))
    form = {"TopicArn": TOPIC}
    for number, event_type in enumerate(("a", "b", "c", "d"), 1):
        prefix = f"PublishBatchRequestEntries.member.{number}."
        form |= {f"{prefix}Id": str(number), **entry(prefix, event_type, event_type)}
    answer = sns.act("PublishBatch", form)

    assert [(queue, body) for queue, body, _ in delivered] == [
        ("orders", "a"),
        ("orders", "b"),
        ("payment", "c"),
    ]
    assert sns.published == answer.count("<MessageId>") == 4


def test_raw_delivery_keeps_body_and_attributes_and_other_delivery_wraps_them(sns, delivered):
    sns.act("Subscribe", subscription("raw", "a"))
    sns.act("Subscribe", subscription("wrapped", "a", raw="false"))
    sns.act("Publish", {"TopicArn": TOPIC, **entry("", "a", '{"n": 1}')})
    (_, body, attributes), (_, notification, none) = delivered

    attribute = {"DataType": "String", "StringValue": "a"}
    assert (body, attributes) == ('{"n": 1}', {"eventType": attribute})
    assert none == {}
    assert json.loads(notification)["Message"] == '{"n": 1}'


def test_the_time_of_a_confirmation_is_that_of_the_first(sns):
    body = json.dumps({"data": {"orderId": "o-1"}})
    for _ in range(2):
        sns.act("Publish", {"TopicArn": TOPIC, **entry("", "order.confirmed", body)})
        first = sns.confirmed.copy()

    assert sns.confirmed == first
    assert list(first) == ["o-1"]


@pytest.mark.parametrize(
    ("action", "form", "code"),
    [
        ("Publish", {"TopicArn": f"{TOPIC}-gone", "Message": "a"}, "NotFound"),
        ("Nothing", {}, "InvalidAction"),
        (
            "Subscribe",
            subscription("q", {"prefix": "a"}),
            "InvalidParameter",
        ),
    ],
)
def test_what_the_standin_cannot_do_is_refused(sns, action, form, code):
    with pytest.raises(Refused) as refused:
        sns.act(action, form)

    assert refused.value.code == code


def test_both_versions_of_the_api_send_mail_for_verified_senders_only():
    ses = Ses()
    with pytest.raises(Refused, match="MessageRejected"):
        ses.act("SendEmail", {"Source": "shop@example.com"})
    ses.act("VerifyEmailIdentity", {"EmailAddress": "shop@example.com"})

    ses.act("SendEmail", {"Source": "shop@example.com"})
    ses.send({"FromEmailAddress": "shop@example.com"})
    assert ses.sent == 2
