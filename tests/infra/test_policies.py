"""The policies of queues, topic, key and endpoints allow only the intended calls.

The embedded AWS enforces the policies of queues and topic. It cannot show calls without TLS, from a
VPC or with a customer-managed key, so these tests read the policies back and evaluate them.
"""

import json

import boto3
import pytest

from local.aws.iam.statements import Call, statements_of, verdict
from local.rehearsal.roles import ACCOUNT
from workers.topology import Topology

REGION = "eu-west-1"
SNS = "sns.amazonaws.com"
CONSUMERS = tuple(Topology.load().consumers)
KINDS = ("url", "dlq_url", "undelivered_url")
STRANGER = f"arn:aws:iam::{ACCOUNT}:role/stranger"
# Endpoints whose names differ from the service's. The ECS agent uses none of them.
ENDPOINTS = {"ecr": "ecr.api", "ses": "email"}


def weigh(policy, action, arn, principal, *, plain=False, **context):
    """Return the verdict of a resource's policy on a call, over TLS unless ``plain``."""
    known = {
        "aws:principalaccount": ACCOUNT,
        "aws:principalarn": principal,
        "aws:securetransport": "false" if plain else "true",
    }
    if principal == SNS:
        known = {"aws:securetransport": known["aws:securetransport"], "aws:sourceaccount": ACCOUNT}
    return verdict(Call(action, arn, principal, known | context), resource=policy)


@pytest.fixture(scope="session")
def queues(applied):
    """Return the policy and the ARN of each queue, by consumer and kind."""
    sqs, found = boto3.client("sqs"), {}
    for consumer, urls in applied.outputs["queues"].items():
        for kind in KINDS:
            names = ["Policy", "QueueArn"]
            answer = sqs.get_queue_attributes(QueueUrl=urls[kind], AttributeNames=names)
            attributes = answer["Attributes"]
            policy = statements_of(json.loads(attributes["Policy"]))
            found[consumer, kind] = (policy, attributes["QueueArn"])
    return found


def test_calls_without_tls_are_denied(applied, queues):
    role = applied.outputs["services"]["payment"]["task_role_arn"]
    for policy, arn in queues.values():
        for action in ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"):
            assert weigh(policy, action, arn, role, plain=True) == "denied"
    topic = topic_policy(applied)
    publish = ("sns:Publish", applied.outputs["topic_arn"], role)
    assert weigh(topic, *publish, plain=True) == "denied"
    assert weigh(topic, *publish) != "denied"


def topic_policy(applied):
    arn = applied.outputs["topic_arn"]
    attributes = boto3.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    return statements_of(json.loads(attributes["Policy"]))


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_only_the_topic_may_deliver(applied, queues, consumer):
    ours = {"aws:sourcearn": applied.outputs["topic_arn"]}
    other = {"aws:sourcearn": f"arn:aws:sns:{REGION}:{ACCOUNT}:other"}
    for kind in KINDS:
        policy, arn = queues[consumer, kind]
        said = weigh(policy, "sqs:SendMessage", arn, SNS, **ours)
        assert said == ("denied" if kind == "dlq_url" else "allowed")
        assert weigh(policy, "sqs:SendMessage", arn, SNS, **other) == "denied"
        assert weigh(policy, "sqs:SendMessage", arn, SNS) == "denied"


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_only_its_worker_may_dead_letter_and_only_operators_may_send_back(
    applied, queues, consumer
):
    operator = applied.outputs["operator_role_arn"]
    worker = applied.outputs["services"][consumer]["task_role_arn"]
    for kind in KINDS:
        policy, arn = queues[consumer, kind]
        assert weigh(policy, "sqs:SendMessage", arn, STRANGER) == "denied"
        said = weigh(policy, "sqs:SendMessage", arn, operator)
        # its own policy allows: to redrive, and to import dead letters
        assert said == ("denied" if kind == "undelivered_url" else "not allowed")
        said = weigh(policy, "sqs:SendMessage", arn, worker)
        assert said == ("not allowed" if kind == "dlq_url" else "denied")


def test_only_publishers_in_the_map_may_publish(applied):
    policy, arn = topic_policy(applied), applied.outputs["topic_arn"]
    for name, service in Topology.load().services.items():
        role = applied.outputs["services"][name]["task_role_arn"]
        said = weigh(policy, "sns:Publish", arn, role)
        assert said == ("not allowed" if service.publishes else "denied")
    assert weigh(policy, "sns:Publish", arn, applied.outputs["operator_role_arn"]) == "denied"
    assert weigh(policy, "sns:Publish", arn, STRANGER) == "denied"


def test_the_endpoints_allow_every_call_of_tasks_and_their_agents(stories):
    endpoints = {
        each["ServiceName"].partition(f".{REGION}.")[2]: statements_of(
            json.loads(each["PolicyDocument"])
        )
        for each in boto3.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    }
    stopped = []
    for used in stories.rights:
        service, _, _ = used["action"].partition(":")
        role = f"arn:aws:iam::{ACCOUNT}:role/{used['role']}"
        if service != "ecs" and used["verdict"] == "allowed":
            policy = endpoints[ENDPOINTS.get(service, service)]
            if weigh(policy, used["action"], used["resource"], role) != "allowed":
                stopped.append(f"{used['role']}: {used['action']} on {used['resource']}")
    assert stopped == []


def test_a_customer_managed_key_allows_the_topic_and_no_other_principal(applied):
    plan = applied.terraform.plan_document("-var=customer_managed_key=true")
    planned = {
        each["address"]: each["change"]["after"]
        for each in json.loads(plan.read_text("utf-8"))["resource_changes"]
    }
    key = statements_of(json.loads(planned['aws_kms_key.messaging["this"]']["policy"]))
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        ours = {"aws:sourcearn": applied.outputs["topic_arn"]}
        assert weigh(key, action, "*", SNS, **ours) == "allowed"
        assert weigh(key, action, "*", SNS, **{"aws:sourcearn": "other"}) == "not allowed"
        # A role gets its permission from its own policy, which the account's statement admits.
        assert weigh(key, action, "*", STRANGER) == "not allowed"
