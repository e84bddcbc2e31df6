"""Requests that a service's model forbids are found, by operation and resource."""

import io
import json

import boto3
import pytest
from botocore.config import Config
from moto.core.utils import get_service_model

from local.aws.conformance import Violations
from local.aws.conformance.shapes import faults
from local.aws.counts import Request

QUEUE = "http://127.0.0.1/123456789012/orders"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def request(service, operation, **parameters):
    """Return a request as the SDK would send it without its own checks."""
    sent = {}

    def keep(request, **_):
        sent.update(method=request.method, url=request.url, body=request.body or b"")
        sent["headers"] = dict(request.headers)
        raise InterruptedError

    config = Config(parameter_validation=False, region_name="eu-west-1")
    client = boto3.client(
        service, aws_access_key_id="any", aws_secret_access_key="any", config=config
    )
    client.meta.events.register("before-send", keep)
    with pytest.raises(InterruptedError):
        getattr(client, operation)(**parameters)
    return sent


def environ(sent):
    path, _, query = sent["url"].partition("//")[2].partition("/")[2].partition("?")
    body = sent["body"].encode() if isinstance(sent["body"], str) else sent["body"]
    headers = {
        f"HTTP_{name.upper().replace('-', '_')}": value.decode()
        if isinstance(value, bytes)
        else value
        for name, value in sent["headers"].items()
    }
    return headers | {
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.get("HTTP_CONTENT_TYPE", ""),
        "PATH_INFO": f"/{path}",
        "QUERY_STRING": query,
        "REQUEST_METHOD": sent["method"],
        "wsgi.input": io.BytesIO(body),
    }


def found(service, operation, **parameters):
    """Return the violations of a request, as one text each."""
    violations = Violations()
    given = environ(request(service, operation, **parameters))
    violations.check(Request.read(given), given)
    return [
        f"{each['operation']} {each['resource']}: {each['member']} {each['message']}"
        for each in violations.as_document()
    ]


MISTAKES = {
    "a role name of 65 characters": (
        ("iam", "create_role", {"RoleName": "r" * 65, "AssumeRolePolicyDocument": TRUST}),
        f"CreateRole RoleName={'r' * 65}: RoleName its length 65 is above the maximum of 64",
    ),
    "a character that a role name cannot have": (
        ("iam", "create_role", {"RoleName": "a role", "AssumeRolePolicyDocument": TRUST}),
        "CreateRole RoleName=a role: RoleName 'a role' does not match [\\w+=,.@-]+",
    ),
    "a required member is missing": (
        ("iam", "create_role", {"RoleName": "worker"}),
        "CreateRole RoleName=worker: AssumeRolePolicyDocument is required",
    ),
    "an invalid enum": (
        ("ecs", "create_service", {"serviceName": "relay", "launchType": "MOON"}),
        "CreateService serviceName=relay: launchType 'MOON' is not one of",
    ),
    "an invalid enum in a list": (
        ("sqs", "receive_message", {"QueueUrl": QUEUE, "AttributeNames": ["All", "Colour"]}),
        f"ReceiveMessage QueueUrl={QUEUE}: AttributeNames.1 'Colour' is not one of",
    ),
    "a number out of range": (
        ("dynamodb", "query", {"TableName": "orders", "Limit": 0}),
        "Query TableName=orders: Limit 0 is below the minimum of 1",
    ),
    "a policy that is too long": (
        ("kms", "put_key_policy", {"KeyId": "any", "Policy": "p" * 131_073}),
        "PutKeyPolicy KeyId=any: Policy its length 131073 is above the maximum of 131072",
    ),
    "a tag that a Java pattern forbids": (
        (
            "iam",
            "tag_role",
            {"RoleName": "worker", "Tags": [{"Key": "Team", "Value": "orders!"}]},
        ),
        "TagRole RoleName=worker: Tags.0.Value 'orders!' does not match [\\p{L}",
    ),
    "a REST request without a required member": (
        ("apigatewayv2", "create_route", {"ApiId": "abc"}),
        "CreateRoute ApiId=abc: RouteKey is required",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_operation_resource_and_member(name):
    (service, operation, parameters), message = MISTAKES[name]

    [violation] = found(service, operation, **parameters)

    assert violation.startswith(message)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("iam", "create_role", {"RoleName": "worker", "AssumeRolePolicyDocument": TRUST}),
        ("iam", "tag_role", {"RoleName": "w", "Tags": [{"Key": "Stadt", "Value": "Zürich 1"}]}),
        ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}),
        ("sqs", "receive_message", {"QueueUrl": QUEUE, "AttributeNames": ["All"]}),
        ("sesv2", "get_email_identity", {"EmailIdentity": "example.com"}),
        ("s3", "put_bucket_versioning", {"Bucket": "b", "VersioningConfiguration": {}}),
        (
            "s3",
            "put_bucket_lifecycle_configuration",
            {
                "Bucket": "b",
                "LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Filter": {}}]},
            },
        ),
        (
            "application-autoscaling",
            "describe_scaling_policies",
            {"ServiceNamespace": "ecs", "ResourceId": "service/\N{SHOPPING TROLLEY}"},
        ),
        ("apigatewayv2", "create_route", {"ApiId": "abc", "RouteKey": "GET /orders"}),
    ],
)
def test_a_valid_request_of_each_protocol_passes(service, operation, parameters):
    assert found(service, operation, **parameters) == []


def test_an_operation_that_the_service_lacks_is_found():
    given = environ(request("sqs", "list_queues"))
    given["HTTP_X_AMZ_TARGET"] = "AmazonSQS.EmptyQueue"
    violations = Violations()

    violations.check(Request.read(given), given)

    [violation] = violations.as_document()
    assert violation["message"] == "sqs has no operation EmptyQueue"


def test_a_request_that_cannot_be_read_is_found():
    given = environ(request("iam", "list_roles"))
    body = b"Action=ListRoles&Version=2010-05-08&MaxItems=many"
    given |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    violations = Violations()

    violations.check(Request.read(given), given)

    [violation] = violations.as_document()
    assert violation["operation"] == "ListRoles"
    assert "'many'" in violation["message"]


def test_an_unsigned_request_is_left_alone():
    given = environ(request("sqs", "list_queues"))
    del given["HTTP_AUTHORIZATION"]
    violations = Violations()

    violations.check(Request.read(given), given)

    assert violations.as_document() == []


def test_a_repeated_violation_is_counted():
    given = environ(request("iam", "create_role", RoleName="worker"))
    violations = Violations()

    for _ in range(3):
        given["wsgi.input"].seek(0)
        violations.check(Request.read(dict(given)), given)

    [violation] = violations.as_document()
    assert violation["count"] == 3


def test_a_value_of_another_type_is_found():
    shape = get_service_model("sqs").operation_model("ReceiveMessage").input_shape

    [(path, message)] = faults({"QueueUrl": QUEUE, "WaitTimeSeconds": "20"}, shape)

    assert (path, message) == ("WaitTimeSeconds", "'20' is no integer")
