"""The wire answers as boto3's client does: the same calls, against the same responses of a stub.

Every error that the service models name, the common errors of all services, and broken responses.
"""

import json
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from time import monotonic
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError
from botocore.session import get_session
from support.adapter_calls import Once
from support.eventually import eventually

from workers.aws.clients import Clients, Patience
from workers.aws.wired import HOT, Wired
from workers.settings import Settings

KEY = {"pk": {"S": "order#1"}}
PUT = {"Put": {"TableName": "payment", "Item": KEY}}
ENTRY = {
    "Id": "0",
    "Message": "größer & <kleiner> + 100 %",
    "MessageAttributes": {"eventType": {"DataType": "String", "StringValue": "order.placed"}},
}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:order-events"
EMAIL = {
    "Source": "shop@example.com",
    "Destination": {"ToAddresses": ["ada@example.com"]},
    "Message": {
        "Subject": {"Data": "Grüße", "Charset": "UTF-8"},
        "Body": {"Text": {"Data": "Line\nline & more", "Charset": "UTF-8"}},
    },
    "Tags": [{"Name": "reference", "Value": "event-1"}],
}
CALLS = {
    "batch_get_item": ("dynamodb", {"RequestItems": {"payment": {"Keys": [KEY]}}}),
    "get_item": ("dynamodb", {"TableName": "payment", "Key": KEY, "ConsistentRead": True}),
    "put_item": ("dynamodb", {"TableName": "payment", "Item": KEY | {"b": {"B": b"\x00\xff"}}}),
    "query": (
        "dynamodb",
        {"TableName": "orders", "IndexName": "outbox", "KeyConditionExpression": "a = :a"},
    ),
    "transact_write_items": ("dynamodb", {"TransactItems": [PUT, PUT]}),
    "update_item": ("dynamodb", {"TableName": "payment", "Key": KEY, "UpdateExpression": "x"}),
    "publish_batch": ("sns", {"TopicArn": TOPIC, "PublishBatchRequestEntries": [ENTRY, ENTRY]}),
    "send_email": ("ses", EMAIL),
}
TRANSPORTS = ("boto3", "wire")
EVERY = pytest.mark.parametrize("method", CALLS)
MODELS = {service: get_session().get_service_model(service) for service in HOT}
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html and, for the
# query protocol, https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
COMMON = [
    ("AccessDeniedException", 400),
    ("ExpiredTokenException", 403),
    ("IncompleteSignature", 403),
    ("InternalFailure", 500),
    ("MalformedHttpRequestException", 400),
    ("NotAuthorized", 401),
    ("OptInRequired", 403),
    ("RequestAbortedException", 400),
    ("RequestEntityTooLargeException", 413),
    ("RequestExpired", 400),
    ("RequestTimeoutException", 408),
    ("ServiceUnavailable", 503),
    ("ThrottlingException", 400),
    ("UnrecognizedClientException", 403),
    ("UnknownOperationException", 404),
    ("ValidationError", 400),
]


@pytest.fixture(scope="module")
def transports(server, environment):
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    return {
        name: Once(Clients.connect(Settings(), threads=2, transport=name)) for name in TRANSPORTS
    }


@pytest.fixture
def pauses(monkeypatch):
    """Record the pauses between attempts instead of waiting."""
    taken = []
    monkeypatch.setattr("time.sleep", taken.append)
    # Else the errors of earlier tests would use it up.
    monkeypatch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)
    return taken


@pytest.fixture
def outcome(stub, transports, pauses):
    """Call one method; return the response or error, and how often it was tried."""

    def call(transport, method):
        service, parameters = CALLS[method]
        del pauses[:], stub.requests[:]
        client = getattr(transports[transport], service)()
        try:
            ended = shown(getattr(client, method)(**parameters))
            # The SDK notes it even of a success by the last attempt.
            ended["ResponseMetadata"].pop("MaxAttemptsReached", None)
        except ClientError as error:
            caught = isinstance(
                error, getattr(client.exceptions, type(error).__name__, ClientError)
            )
            ended = type(error).__name__, caught, str(error), shown(error.response)
        except (BotoCoreError, ResponseParserError) as error:
            ended = type(error).__name__
        return ended, len(stub.requests), len(pauses)

    return call


def shown(response):
    """Return a response without the headers, which only the SDK keeps."""
    metadata = response.get("ResponseMetadata", {})
    names = sorted(metadata.get("HTTPHeaders", {}))  # two responses have not the same date
    return response | {"ResponseMetadata": metadata | {"HTTPHeaders": names}}


@pytest.fixture
def same(outcome):
    """Call a method by both transports; return what both made of the response."""

    def both(method):
        by_sdk, by_wire = (outcome(transport, method) for transport in TRANSPORTS)
        assert by_wire == by_sdk
        return by_wire

    return both


def model_of(method):
    name = "".join(word.capitalize() for word in method.split("_"))
    return MODELS[CALLS[method][0]].operation_model(name)


def refuse(stub, method, code, status, **fields):
    """Answer with an error in the service's protocol."""
    stub.status = status
    if model_of(method).service_model.protocol == "json":
        error = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no, no"}
        stub.body = json.dumps(error | fields).encode()
        stub.told = stub.told | {"x-amz-crc32": str(zlib.crc32(stub.body))}
    else:
        more = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
        stub.body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no, no</Message>"
            f"{more}</Error><RequestId>request-1</RequestId></ErrorResponse>"
        ).encode()


def documented():
    for method in CALLS:
        for shape in model_of(method).error_shapes:
            told = shape.metadata.get("error", {})
            status = told.get("httpStatusCode", 500 if shape.metadata.get("fault") else 400)
            yield method, told.get("code", shape.name), status
        yield from ((method, code, status) for code, status in COMMON)


@pytest.mark.parametrize(("method", "code", "status"), list(documented()))
def test_every_documented_error_is_the_same(stub, same, method, code, status):
    refuse(stub, method, code, status)

    (name, caught, text, response), _, _ = same(method)

    assert caught
    assert response["Error"]["Code"] == code
    assert "no, no" in text
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert name == "ClientError" or name in {shape.name for shape in model_of(method).error_shapes}


# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
@pytest.mark.parametrize(
    "reason",
    [
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
        {"Code": "ConditionalCheckFailed", "Item": KEY | {"b": {"B": "AP8="}}},
        {"Code": "ItemCollectionSizeLimitExceeded", "Message": "Collection size exceeded."},
        {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item."},
        {"Code": "ProvisionedThroughputExceeded", "Message": "The level of throughput exceeded"},
        {"Code": "ThrottlingError", "Message": "Throughput exceeds the current capacity"},
        {"Code": "ValidationError", "Message": "One or more parameter values were invalid"},
        {"Code": "AccessDenied", "Message": "not authorized"},
    ],
    ids=lambda reason: f"{reason['Code']}{'-item' * ('Item' in reason)}",
)
def test_every_reason_of_a_cancellation_is_the_same(stub, same, reason):
    code = "TransactionCanceledException"
    refuse(stub, "transact_write_items", code, 400, CancellationReasons=[{"Code": "None"}, reason])

    (name, caught, _, response), requests, _ = same("transact_write_items")

    assert (name, caught, requests) == (code, True, 1)
    kept, cancelled = response["CancellationReasons"]
    assert kept["Code"] == "None"
    assert cancelled["Code"] == reason["Code"]
    if "Item" in reason:
        assert cancelled["Item"]["b"] == {"B": b"\x00\xff"}


ITEM = {
    "pk": {"S": "größer \U0001f600"},
    "numbers": {"NS": ["1", "-1.5E-130"]},
    "bytes": {"B": "AP8="},
    "sets": {"BS": ["AP8=", ""]},
    "nested": {"M": {"B": {"M": {"BS": {"L": [{"B": "AA=="}]}}}}},  # named like types
    "nothing": {"NULL": True},
}
RESPONSES = {
    "batch_get_item": {"Responses": {"payment": [ITEM]}, "UnprocessedKeys": {}},
    "get_item": {"Item": ITEM},
    "put_item": {},
    "query": {"Items": [ITEM, {}], "Count": 2, "LastEvaluatedKey": KEY},
    "transact_write_items": {},
    "update_item": {"Attributes": ITEM},
}
PUBLISHED = b"""<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <PublishBatchResult>
    <Successful><member><Id>0</Id><MessageId>m&amp;1</MessageId></member></Successful>
    <Failed><member><Id>1</Id><Code>KMSThrottled</Code><SenderFault>false</SenderFault>
    <Message>slow down</Message></member></Failed>
  </PublishBatchResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>
</PublishBatchResponse>"""
SENT = b"""<SendEmailResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><SendEmailResult>
<MessageId>0102-m</MessageId></SendEmailResult><ResponseMetadata><RequestId>r-2</RequestId>
</ResponseMetadata></SendEmailResponse>"""


def answer_with_success(stub, method):
    if method in RESPONSES:
        stub.body = json.dumps(RESPONSES[method]).encode()
        stub.told = stub.told | {"x-amz-crc32": str(zlib.crc32(stub.body))}
    else:
        stub.body = PUBLISHED if method == "publish_batch" else SENT


@EVERY
def test_every_response_is_the_same(stub, same, method):
    answer_with_success(stub, method)

    response, requests, _ = same(method)

    assert (requests, response["ResponseMetadata"]["RetryAttempts"]) == (1, 0)
    if method == "get_item":
        assert response["Item"]["sets"] == {"BS": [b"\x00\xff", b""]}
        assert response["Item"]["nested"] == {"M": {"B": {"M": {"BS": {"L": [{"B": b"\x00"}]}}}}}
    if method == "publish_batch":
        assert [failed["Code"] for failed in response["Failed"]] == ["KMSThrottled"]


@EVERY
def test_every_request_is_the_same(stub, outcome, method):
    answer_with_success(stub, method)
    sent, headers = [], []
    for transport in TRANSPORTS:
        outcome(transport, method)
        ((verb, path, body),) = stub.requests
        sent.append((verb, path, fields_of(body, model_of(method))))
        headers.append(stub.headers)

    assert sent[0] == sent[1]
    assert headers[0]["Content-Type"] == headers[1]["Content-Type"]
    for name in ("Host", "User-Agent", "X-Amz-Target", "Accept-Encoding"):
        assert headers[0].get(name) == headers[1].get(name), name


def fields_of(body, model):
    if model.service_model.protocol == "query":
        return parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True)
    fields = json.loads(body)
    # The token that lets a transaction be repeated differs for each.
    assert ("ClientRequestToken" in fields) == (model.name == "TransactWriteItems")
    return fields | {"ClientRequestToken": len(fields.get("ClientRequestToken", ""))}


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("get_item", {"Key": {"pk": {"S": "\ud800"}}}),
        ("put_item", {"Item": {"pk": {"N": Decimal(1)}}}),
        ("publish_batch", {"PublishBatchRequestEntries": [ENTRY | {"Message": "\ud800"}]}),
    ],
)
def test_a_request_that_cannot_be_written_is_invalid_and_not_sent(stub, transports, method, text):
    service, parameters = CALLS[method]

    with pytest.raises(ParamValidationError):
        getattr(getattr(transports["wire"], service)(), method)(**parameters | text)

    assert stub.requests == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_attempts_of_a_transaction_have_one_token(stub, outcome, transport):
    stub.resets = {1, 2}

    _, requests, _ = outcome(transport, "transact_write_items")

    tokens = {json.loads(body)["ClientRequestToken"] for _, _, body in stub.requests}
    assert (requests, len(tokens)) == (3, 1)


@EVERY
@pytest.mark.parametrize(
    "body", [b"", b"<html>sorry</html>", b"{}", b"no such thing"], ids=["", "html", "json", "text"]
)
@pytest.mark.parametrize("status", [302, 400, 403, 404, 413, 429, 500, 502, 503, 504])
def test_every_answer_of_something_else_is_the_same(stub, same, method, status, body):
    stub.status, stub.body = status, body

    _, requests, pauses = same(method)

    assert pauses == requests - 1


@EVERY
@pytest.mark.parametrize("resets", [{1}, {1, 2}, {1, 2, 3}], ids=len)
def test_a_reset_connection_is_tried_again_as_often(stub, same, method, resets):
    answer_with_success(stub, method)
    stub.resets = resets

    ended, requests, pauses = same(method)

    assert requests == min(len(resets) + 1, 3)
    assert pauses == requests - 1
    assert (ended == "ConnectionClosedError") == (len(resets) == 3)


@EVERY
def test_half_a_response_is_an_outage(stub, outcome, method):
    """The wire tries again; the SDK does not notice, and our check ends the call at once."""
    answer_with_success(stub, method)
    stub.cut = True

    assert outcome("boto3", method)[:2] == ("ConnectionClosedError", 1)
    assert outcome("wire", method)[:2] == ("ConnectionClosedError", 3)


@pytest.mark.parametrize("method", RESPONSES)
def test_a_response_that_was_changed_on_its_way_is_an_outage(stub, outcome, method):
    """Both try again; the SDK then takes the last response, whatever its checksum."""
    answer_with_success(stub, method)
    stub.body = stub.body + b" "

    assert outcome("boto3", method)[1] == 3
    assert outcome("wire", method)[:2] == ("ResponseStreamingError", 3)


@pytest.fixture
def impatient(transports):
    """Return clients that wait 0.2 s for a response, with two attempts."""
    assert transports  # the environment is that of the stub
    patience = Patience(connect=60, read=0.2, attempts=2)
    return {
        name: Clients.connect(Settings(), threads=1, patience=patience, transport=name)
        for name in TRANSPORTS
    }


@pytest.mark.parametrize("silence", ["silent", "stalled"])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.usefixtures("pauses")
def test_silence_is_a_read_timeout_and_tried_again(stub, impatient, transport, silence):
    setattr(stub, silence, True)
    stub.body, started = b'{"Item": {}}', monotonic()

    with pytest.raises(BotoCoreError, match="Read timeout"):
        impatient[transport].dynamodb().get_item(TableName="payment", Key=KEY)

    assert len(stub.requests) == 2
    assert monotonic() - started < 30


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_refused_connection_is_tried_again(transports, environment, pauses, transport):
    assert transports  # the environment is that of the stub, again afterwards
    with socket.socket() as closed, environment.context() as patch:
        closed.bind(("127.0.0.1", 0))
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        client = Clients.connect(Settings(), threads=1, transport=transport).dynamodb()

        with pytest.raises(EndpointConnectionError):
            client.get_item(TableName="payment", Key=KEY)

    assert len(pauses) == 2


@pytest.fixture
def once(transports):
    """Return clients with a single attempt."""
    assert transports  # the environment is that of the stub
    patience = Patience(attempts=1)
    return {
        name: Clients.connect(Settings(), threads=2, patience=patience, transport=name)
        for name in TRANSPORTS
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_the_server_closed_is_not_used_again(stub, once, transport):
    client, ended = once[transport].dynamodb(), stub.ended
    stub.hangs_up = True
    client.get_item(TableName="payment", Key=KEY)
    eventually(lambda: stub.ended == ended + 1)

    client.get_item(TableName="payment", Key=KEY)

    assert len(stub.requests) == 2


def test_a_broken_connection_ends_the_idle_ones_which_are_as_old(stub, transports, pauses):
    client, both = transports["wire"].sns(), Barrier(2, timeout=10)
    stub.body, stub.gate = PUBLISHED, both.wait
    _, parameters = CALLS["publish_batch"]
    with ThreadPoolExecutor(2) as pool:
        for made in [pool.submit(client.publish_batch, **parameters) for _ in range(2)]:
            made.result(10)
    stub.gate = lambda: None
    stub.resets = {3}
    before = stub.connections

    client.publish_batch(**parameters)

    assert (len(stub.requests), len(pauses)) == (4, 1)
    assert stub.connections == before + 1


@pytest.mark.parametrize("service", HOT)
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_ACCOUNT_ID": "123456789012"},
        {"AWS_ACCOUNT_ID": "123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_ENDPOINT_URL_DYNAMODB": "https://ddb.example.com:8443",
            "AWS_ENDPOINT_URL_SNS": "https://sns.example.com",
            "AWS_ENDPOINT_URL_SES": "https://ses.example.com",
        },
    ],
    ids=lambda variables: "-".join(variables) or "none",
)
def test_requests_go_where_the_sdk_sends_them(environment, service, variables):
    class Stop(Exception):
        """The request was seen."""

    seen = {}

    def stop(request, **_):
        seen["url"], seen["signature"] = request.url, request.headers["Authorization"].decode()
        raise Stop

    with environment.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        wired = getattr(Clients.connect(Settings(), threads=1), service)()
        sdk = getattr(Clients.connect(Settings(), threads=1, transport="boto3"), service)()
        sdk.meta.events.register("before-send", stop)
        method = HOT[service][0]
        with pytest.raises(Stop):
            getattr(sdk, method)(**CALLS[method][1])

        scope = wired.scope
    assert seen["url"] == f"{scope.endpoint}/"
    assert f"/{scope.region}/{scope.service}/aws4_request" in seen["signature"]


def test_only_hot_requests_leave_the_sdks_client(transports, stub):
    assert {method for methods in HOT.values() for method in methods} == CALLS.keys()
    wired = transports["wire"].dynamodb()

    stub.body = b'{"TableNames": ["payment"]}'
    assert wired.list_tables()["TableNames"] == ["payment"]
    assert isinstance(wired, Wired)
    with pytest.raises(AttributeError):
        _ = wired.no_such_method


def test_a_client_of_the_sdk_alone_is_used_on_request(transports):
    assert not any(isinstance(getattr(transports["boto3"], service)(), Wired) for service in HOT)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.usefixtures("stub")
def test_hooks_of_the_sdk_are_called(transports, transport):
    seen = []
    events = transports[transport].dynamodb().meta.events
    names = ["before-call", "after-call", "after-call-error", "provide-client-params"]
    hooks = {name: lambda name=name, **_: seen.append(name) for name in names}
    for name, hook in hooks.items():
        events.register(f"{name}.dynamodb", hook)
    transports[transport].dynamodb().get_item(TableName="payment", Key=KEY)

    assert seen == ["provide-client-params", "before-call", "after-call"]
    for name, hook in hooks.items():
        events.unregister(f"{name}.dynamodb", hook)
