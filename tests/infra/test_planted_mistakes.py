"""The checks of conformance find planted mistakes. None needs Terraform."""

import json

import pytest

from infra.conformance.conditions import ineffective
from infra.conformance.linting import refused
from infra.conformance.plan import KNOWN_LATER, Resource, planned
from infra.conformance.policies import too_large, unread

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"
TRUST = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"Service": "ecs.amazonaws.com"},
}
SEND = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE}
ANYBODY = {"Principal": "*", "Sid": "Anybody"}


def resource(kind, **values):
    return Resource(f"{kind}.it", kind, values, frozenset(values))


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def role(name="worker", **values):
    given = {"name": name, "assume_role_policy": policy(TRUST)} | values
    return resource("aws_iam_role", **given)


def role_policy(*statements, name="task"):
    return resource("aws_iam_role_policy", name=name, role="worker", policy=policy(*statements))


def group(description):
    return resource(
        "aws_security_group", name="tasks", description=description, vpc_id="vpc-12345678"
    )


def queue(*statements):
    return resource("aws_sqs_queue", name="orders", policy=policy(*statements))


def alarm(**values):
    given = {
        "alarm_name": "late",
        "comparison_operator": "GreaterThanThreshold",
        "evaluation_periods": 5,
        "metric_name": "Age",
        "namespace": "AWS/SQS",
        "period": 60,
        "statistic": "Maximum",
        "threshold": 300,
    }
    return resource("aws_cloudwatch_metric_alarm", **given | values)


def task(**values):
    given = {
        "container_definitions": json.dumps([{"name": "app", "image": "app:1"}]),
        "cpu": "256",
        "family": "worker",
        "memory": "512",
        "network_mode": "awsvpc",
        "requires_compatibilities": ["FARGATE"],
    }
    return resource("aws_ecs_task_definition", **given | values)


def web_acl(limit):
    told = {
        "cloudwatch_metrics_enabled": True,
        "metric_name": "m",
        "sampled_requests_enabled": False,
    }
    counted = {"rate_based_statement": [{"aggregate_key_type": "IP", "limit": limit}]}
    rule = {"name": "rate", "priority": 1, "statement": [counted], "visibility_config": [told]}
    return resource(
        "aws_wafv2_web_acl",
        default_action=[{"allow": [{}]}],
        rule=[rule],
        scope="CLOUDFRONT",
        visibility_config=[told],
    )


def endpoint(*statements):
    return resource(
        "aws_vpc_endpoint",
        policy=policy(*statements),
        service_name="com.amazonaws.eu-west-1.sqs",
        vpc_id="vpc-12345678",
    )


MISTAKES = {
    "an apostrophe in a description": (
        group("the API gateway's VPC link"),
        'aws_security_group.it: GroupDescription: "the API gateway\'s VPC link" does not match',
    ),
    "an apostrophe in the description of a rule": (
        resource(
            "aws_vpc_security_group_egress_rule",
            cidr_ipv4="0.0.0.0/0",
            description="AWS's APIs",
            ip_protocol="-1",
            security_group_id="sg-12345678",
        ),
        'aws_vpc_security_group_egress_rule.it: Description: "AWS\'s APIs" does not match',
    ),
    "a role name of 65 characters": (
        role("r" * 65),
        "aws_iam_role.it: RoleName: 'rrrr",
    ),
    "an invalid enum": (
        alarm(comparison_operator="Above"),
        "aws_cloudwatch_metric_alarm.it: ComparisonOperator: 'Above' is not one of",
    ),
    "a number out of range": (
        resource("aws_sqs_queue", name="orders", visibility_timeout_seconds=43_201),
        "aws_sqs_queue.it: VisibilityTimeout: 43201 is greater than the maximum of 43200",
    ),
    "a container without an image": (
        task(container_definitions=json.dumps([{"name": "app"}])),
        "aws_ecs_task_definition.it: ContainerDefinitions.0: 'Image' is a required property",
    ),
    "a size that Fargate does not have": (
        task(cpu="256", memory="8192"),
        "aws_ecs_task_definition.it: ",
    ),
    "a rate that the firewall does not count": (
        web_acl(9),
        "aws_wafv2_web_acl.it: Rules.0.Statement.RateBasedStatement.Limit: 9 is less than",
    ),
    "an unknown action": (
        role_policy(SEND | {"Action": "sqs:SendMesage"}),
        "PolicyDocument.Statement.0.Action: 'sendmesage' is not one of",
    ),
    "an unknown action of a trust policy": (
        role(assume_role_policy=policy(TRUST | {"Action": "sts:Assume"})),
        "AssumeRolePolicyDocument.Statement.0.Action: 'assume' is not one of",
    ),
    "an action that cannot have this resource": (
        role_policy(SEND | {"Resource": "arn:aws:sns:eu-west-1:123456789012:orders"}),
        "action 'sqs:SendMessage' requires a resource of",
    ),
    "an unknown effect in an endpoint's policy": (
        endpoint(SEND | ANYBODY | {"Effect": "Permit"}),
        "aws_vpc_endpoint.it: PolicyDocument.Statement.0.Effect: 'Permit' is not one of",
    ),
    "an action of another service in a queue's policy": (
        queue(SEND | ANYBODY | {"Action": "sns:Publish"}),
        "aws_sqs_queue.it: PolicyDocument.Statement.0.Action: 'sns' is not one of ['sqs']",
    ),
    "a type without an entry": (
        resource("aws_lambda_function", function_name="f"),
        "aws_lambda_function.it: aws_lambda_function is not in kinds.py",
    ),
    "an argument without an entry": (
        resource("aws_vpc", cidr_block="10.0.0.0/16", colour="red"),
        "aws_vpc.it: colour has no counterpart in AWS::EC2::VPC",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_and_names_its_resource(name):
    mistaken, message = MISTAKES[name]

    [found] = refused([mistaken])

    assert message in found


def test_resources_without_a_mistake_pass():
    good = [
        group("VPC link of the API"),
        role("r" * 64),
        alarm(),
        endpoint(SEND | ANYBODY),
        queue(SEND | ANYBODY),
        role_policy(SEND),
        task(),
        web_acl(10),
    ]

    assert refused(good) + too_large(good) == []


GITHUB = "token.actions.githubusercontent.com"
WORKFLOW = {
    "Effect": "Allow",
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{GITHUB}"},
}
KEY = {
    "Effect": "Allow",
    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
    "Resource": "arn:aws:kms:eu-west-1:123456789012:key/1",
}
MAIL = {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*"}


def given(statement, operator, key, *values):
    """Return a statement with a condition."""
    return statement | {"Condition": {operator: {key: list(values)}}}


@pytest.mark.parametrize(
    ("mistaken", "message"),
    [
        (
            queue(given(SEND | ANYBODY, "ArnEquals", "aws:SouceArn", QUEUE)),
            "aws_sqs_queue.it: Anybody: sqs:SendMessage has no condition key aws:SouceArn",
        ),
        (
            endpoint(given(SEND | ANYBODY, "StringEquals", "aws:PrincipalAcount", "123456789012")),
            "sqs:SendMessage has no condition key aws:PrincipalAcount",
        ),
        (
            role_policy(given(KEY, "StringEquals", "kms:ViaServices", "sqs.amazonaws.com")),
            "kms:Decrypt has no condition key kms:ViaServices",
        ),
        (
            role_policy(given(SEND, "StringEquals", "kms:ViaService", "sqs.amazonaws.com")),
            "sqs:SendMessage has no condition key kms:ViaService",
        ),
        (
            role_policy(given(MAIL, "StringEquals", "ses:FromAdress", "shop@example.com")),
            "ses:SendEmail has no condition key ses:FromAdress",
        ),
        (
            role_policy(given(SEND, "StringEqual", "aws:SourceAccount", "123456789012")),
            "StringEqual is no operator",
        ),
        (
            role_policy(given(SEND, "Bool", "aws:SourceAccount", "true")),
            "Bool does not compare aws:SourceAccount, which is of type String",
        ),
        (
            role_policy(given(SEND, "Bool", "aws:SecureTransport", "no")),
            "Bool aws:SecureTransport: Expected Bool",
        ),
        (
            role_policy(given(SEND, "ArnEquals", "aws:SourceArn", "orders")),
            "ArnEquals aws:SourceArn: Expected ARN",
        ),
        (
            role(assume_role_policy=policy(given(WORKFLOW, "StringEquals", f"{GITHUB}:subj", "a"))),
            f"sts:AssumeRoleWithWebIdentity has no condition key {GITHUB}:subj",
        ),
        (
            role(assume_role_policy=policy(given(WORKFLOW, "StringEquals", "github.com:sub", "a"))),
            "sts:AssumeRoleWithWebIdentity has no condition key github.com:sub",
        ),
    ],
)
def test_a_condition_that_no_request_meets_is_found(mistaken, message):
    found = ineffective([mistaken])

    assert message in found[0]


def test_conditions_that_requests_meet_pass():
    good = [
        endpoint(given(SEND | ANYBODY, "StringEquals", "aws:SourceVPCE", "vpce-1")),
        queue(given(SEND | ANYBODY, "ArnLike", "AWS:SourceArn", "arn:aws:sns:*:*:orders")),
        role(assume_role_policy=policy(given(WORKFLOW, "StringEquals", f"{GITHUB}:sub", "a"))),
        role_policy(
            given(KEY, "StringEquals", "kms:ViaService", "sqs.amazonaws.com"),
            given(KEY, "StringLike", "kms:EncryptionContext:aws:sqs:arn", QUEUE),
            given(MAIL, "StringEquals", "ses:FromAddress", "shop@example.com"),
            given(SEND, "StringEquals", "aws:SourceArn", QUEUE),
            given(SEND, "StringEqualsIfExists", "aws:ResourceTag/team", "orders"),
            given(SEND, "Null", "aws:SourceArn", "false"),
        ),
    ]

    assert ineffective(good) == []


def statements(count):
    """Return distinct statements of about 100 characters."""
    return [SEND | {"Resource": f"{QUEUE}-{number:03}"} for number in range(count)]


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            [resource("aws_iam_policy", name="p", policy=policy(*statements(70)))],
            "aws_iam_policy.it: size of the policy: ",
        ),
        (
            [role_policy(*statements(60), name="one"), role_policy(*statements(60), name="two")],
            "role worker: its inline policies have ",
        ),
        ([role(assume_role_policy=policy(*[TRUST] * 30))], "aws_iam_role.it: size of the policy: "),
        ([endpoint(*statements(250))], "aws_vpc_endpoint.it: size of the policy: "),
        (
            [queue(SEND | {"Action": [f"sqs:Action{number}" for number in range(8)]})],
            "aws_sqs_queue.it: actions of the policy: 8; the limit is 7",
        ),
        (
            [queue(*statements(21))],
            "aws_sqs_queue.it: statements of the policy: 21; the limit is 20",
        ),
        (
            [resource("aws_secretsmanager_secret_policy", policy=policy(SEND))],
            "no limit is listed for aws_secretsmanager_secret_policy.policy",
        ),
    ],
    ids=["managed", "inline", "trust", "endpoint", "actions", "statements", "unlisted"],
)
def test_a_policy_above_a_limit_is_found(resources, message):
    [found] = too_large(resources)

    assert message in found


def test_white_space_counts_only_where_aws_counts_it():
    padded = policy(SEND).replace(", ", "," + " " * 8_000)

    managed = resource("aws_iam_policy", name="p", policy=padded)
    [found] = too_large([managed, resource("aws_sqs_queue", name="orders", policy=padded)])

    assert found.startswith("aws_sqs_queue.it: size of the policy: ")


def plan(values, unknown):
    """Return the plan of a queue in a module, as Terraform writes it."""
    address = 'module.queue["a"].aws_sqs_queue.it'
    configured = {"address": "aws_sqs_queue.it", "expressions": {"name": {}, "policy": {}}}
    created = {"address": address, "mode": "managed", "type": "aws_sqs_queue", "values": values}
    module = {"module": {"resources": [configured]}}
    return {
        "configuration": {"root_module": {"module_calls": {"queue": module}}},
        "planned_values": {"root_module": {"child_modules": [{"resources": [created]}]}},
        "resource_changes": [{"address": address, "change": {"after_unknown": unknown}}],
    }


def test_a_value_that_only_an_apply_reveals_is_no_mistake():
    [found] = planned(plan({"name": "orders", "url": "any"}, {"policy": True}))

    assert found.values["policy"] == KNOWN_LATER
    assert found.arguments == {"name", "policy"}
    assert refused([found]) + too_large([found]) == []
    assert unread([found]) == [f"{found.address}.policy"]
