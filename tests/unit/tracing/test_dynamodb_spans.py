"""The spans of requests to DynamoDB, with the SDK's client, the wire and a stub of the service."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from support.stub import serving

from workers.aws.wired import Wired
from workers.tracing.dynamodb import trace_dynamodb

KEY = {"pk": {"S": "order#canary@example.com"}}


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


@pytest.fixture
def stub(server):
    server.reset()
    return server


@pytest.fixture(params=["boto3", "wire"])
def client(stub, recorded, request):
    session = boto3.Session("test", "test", region_name="eu-west-1")
    client = session.client(
        "dynamodb",
        endpoint_url=stub.url,
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    if request.param == "wire":
        client = Wired(client, session)
    trace_dynamodb(client, recorded.tracer, "payment")
    return client


@pytest.fixture
def within(recorded):
    with recorded.tracer.start_as_current_span("message") as span:
        yield span


def test_a_request_within_a_span_is_its_child_and_names_the_table(client, within, recorded):
    client.get_item(TableName="payment", Key=KEY)

    span = recorded.one("GetItem payment")
    assert (span.kind.name, span.status.is_ok) == ("CLIENT", True)
    assert span.parent.span_id == within.get_span_context().span_id
    assert dict(span.attributes) == {
        "db.system.name": "aws.dynamodb",
        "db.operation.name": "GetItem",
        "db.collection.name": "payment",
    }


def test_a_refused_request_has_its_code_and_the_id_that_aws_asks_for(
    client, within, stub, recorded
):
    assert within
    stub.status = 400
    stub.body = b'{"__type": "x#ProvisionedThroughputExceededException", "message": "canary"}'
    with pytest.raises(ClientError):
        client.get_item(TableName="payment", Key=KEY)

    span = recorded.one("GetItem payment")
    assert not span.status.is_ok
    assert span.attributes["error.type"] == "ProvisionedThroughputExceededException"
    assert span.attributes["db.response.status_code"] == span.attributes["error.type"]
    assert span.attributes["aws.request_id"] == "request-1"
    assert "canary" not in span.to_json()


def test_a_broken_connection_ends_the_span(client, within, stub, recorded):
    assert within
    stub.resets = {1}
    with pytest.raises(BotoCoreError):
        client.get_item(TableName="payment", Key=KEY)
    assert recorded.one("GetItem payment").attributes["error.type"] == "ConnectionClosedError"


def test_a_request_that_belongs_to_nothing_has_no_span(client, recorded):
    client.get_item(TableName="payment", Key=KEY)
    assert recorded.spans() == []
