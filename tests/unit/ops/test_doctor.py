"""The doctor's comparisons, on facts as AWS returns them."""

import json
from pathlib import Path

import pytest

from workers.ops.doctor import alarms, payloads, queues, setup, tables, topic
from workers.ops.doctor.policies import topic_may_send
from workers.provision.policies import queue_policy
from workers.settings import Settings
from workers.topology import Topology

TERRAFORM = Path(__file__).parents[3] / "terraform"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:dev-order-events"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:dev-payment-queue"


def allowing(**changes):
    statement = queue_policy(QUEUE, TOPIC)["Statement"][0]
    return {name: value for name, value in (statement | changes).items() if value is not None}


def denying(**condition):
    return {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": condition,
    }


def problems(*statements):
    return list(topic_may_send(json.dumps({"Statement": list(statements)}), TOPIC))


@pytest.mark.parametrize(
    "statements",
    [
        queue_policy(QUEUE, TOPIC)["Statement"],
        [allowing(Condition=None)],
        [allowing(Principal="*")],
        [allowing(Action=["sqs:ReceiveMessage", "SQS:*"])],
        [allowing(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:dev-*"}})],
        [allowing(), denying(ArnNotEquals={"aws:SourceArn": [TOPIC]})],
        [allowing(), denying(ArnNotEquals={"aws:SourceArn": TOPIC, "aws:PrincipalArn": "role"})],
        [allowing(), denying(Bool={"aws:SecureTransport": "false"})],
    ],
)
def test_a_policy_that_lets_the_topic_send_is_no_finding(statements):
    assert problems(*statements) == []


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [allowing(Condition={"ArnEquals": {"aws:SourceArn": f"{TOPIC}-other"}})],
        [allowing(Principal={"Service": "events.amazonaws.com"})],
        [allowing(Action="sqs:ReceiveMessage")],
        [allowing(Effect="Deny")],
        [allowing(), denying(ArnNotEquals={"aws:SourceArn": [f"{TOPIC}-other"]})],
        [allowing(), denying(ArnNotEquals={"aws:PrincipalArn": "role"})],
    ],
)
def test_a_policy_that_cuts_the_topic_off_is_a_finding(statements):
    (problem,) = problems(*statements)
    assert TOPIC in problem


def test_a_queue_without_a_policy_is_a_finding():
    assert len(list(topic_may_send("", TOPIC))) == 1


@pytest.mark.parametrize(
    ("policy", "count"),
    [
        ({"redrivePermission": "byQueue", "sourceQueueArns": [QUEUE]}, 0),
        ({"redrivePermission": "allowAll"}, 0),
        ({"redrivePermission": "denyAll"}, 1),
        ({"redrivePermission": "byQueue", "sourceQueueArns": [f"{QUEUE}-2"]}, 1),
    ],
)
def test_a_dead_letter_queue_has_to_accept_its_queue(policy, count):
    found = {"RedriveAllowPolicy": json.dumps(policy)}
    assert len(list(queues.redrive_allow_problems(found, QUEUE))) == count


@pytest.mark.parametrize(
    "policy",
    [
        "",
        '{"eventType": ["order.created"], "tenant": ["a"]}',
        '{"eventType": [{"prefix": "order."}]}',
        '{"type": ["order.created"]}',
        '{"eventType": ["order.created", "order.shipped"]}',
        '{"eventType": []}',
    ],
)
def test_a_filter_that_is_not_what_the_service_handles_is_one_finding(policy):
    assert len(list(topic.filter_problems(policy, frozenset({"order.created"})))) == 1


def test_the_order_of_a_filter_does_not_matter():
    policy = json.dumps({"eventType": ["b", "a"]})
    assert list(topic.filter_problems(policy, frozenset("ab"))) == []


def test_an_index_that_leaves_attributes_out_is_a_finding():
    index = {
        "IndexName": "outbox",
        "IndexStatus": "ACTIVE",
        "KeySchema": [
            {"AttributeName": "outboxShard", "KeyType": "HASH"},
            {"AttributeName": "outboxOrder", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    (problem,) = tables.index_problems([index])
    assert "does not project all attributes" in problem


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        (None, "does not exist"),
        ({"ActionsEnabled": False, "AlarmActions": ["arn"]}, "disabled"),
        ({"ActionsEnabled": True, "AlarmActions": []}, "no action"),
    ],
)
def test_an_alarm_that_tells_nobody_is_a_finding(alarm, words):
    (problem,) = alarms.alarm_problems(alarm)
    assert words in problem


def test_terraform_has_every_alarm_that_the_doctor_expects():
    text = "".join(path.read_text() for path in TERRAFORM.glob("*.tf"))
    kinds = (*alarms.OF_A_CONSUMER, *alarms.OF_A_SERVICE, *alarms.OF_THE_SYSTEM)
    assert [kind for kind in kinds if f'-{kind}"' not in text] == []


def test_the_default_settings_leave_every_handler_its_time():
    assert list(setup.timeout_findings(Settings(), Topology.load())) == []


def test_the_map_and_the_handlers_agree():
    assert list(setup.handler_findings(Topology.load())) == []


def a_rule(days, status="Enabled"):
    return {"Status": status, "Expiration": {"Days": days}}


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([a_rule(120)], ""),
        ([{"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}], "for ever"),
        ([], "for ever"),
        ([a_rule(120, "Disabled")], "for ever"),
        ([a_rule(120), a_rule(7)], "after 7 days instead of 120"),
        ([a_rule(400)], "for 400 days instead of 120"),
    ],
)
def test_large_events_must_expire_when_the_code_expects_it(rules, problem):
    found = list(payloads.expiry_problems(rules))
    assert len(found) == bool(problem)
    assert problem in "".join(found)
