"""Policies decide what a role's session may do, and each service refuses in its own words."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from support.aws_calls import CONFIG, bodies, client, code_of

pytestmark = pytest.mark.integration

ACCOUNT = "123456789012"


@dataclass
class Role:
    """A role, and a session that assumes it."""

    name: str
    arn: str
    session: boto3.Session

    def client(self, service):
        return self.session.client(service, config=CONFIG)

    def may(self, *actions, on="*", effect="Allow", **elements):
        """Replace the permissions of the role."""
        self._put({"Effect": effect, "Action": actions, "Resource": on} | elements)

    def may_all(self, *rights):
        """Replace the permissions of the role by actions of SQS, each on its own resource."""
        self._put(
            *({"Effect": "Allow", "Action": f"sqs:{each}", "Resource": on} for each, on in rights)
        )

    def _put(self, *statements):
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        client("iam").put_role_policy(
            RoleName=self.name, PolicyName="only", PolicyDocument=document
        )


@pytest.fixture
def role(aws):
    assert aws.url
    name = f"role-{uuid4().hex[:12]}"
    arn = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    given = client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    return Role(name, arn, session)


def arn_of(sqs, queue):
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return found["Attributes"]["QueueArn"]


def test_a_role_may_make_the_calls_that_its_policy_names(role, sqs, queue):
    role.may("sqs:SendMessage", on=arn_of(sqs, queue))
    mine = role.client("sqs")
    mine.send_message(QueueUrl=queue, MessageBody="one")
    mine.send_message_batch(QueueUrl=queue, Entries=[{"Id": "1", "MessageBody": "two"}])
    assert code_of(mine.receive_message, QueueUrl=queue) == "AccessDenied"
    assert code_of(mine.purge_queue, QueueUrl=queue) == "AccessDenied"
    assert bodies(sqs, queue) == ["one", "two"]  # the owner may do everything


def test_a_batch_needs_the_permission_of_the_single_call(role, sqs, queue):
    role.may("sqs:DeleteMessage", "sqs:ReceiveMessage", on=arn_of(sqs, queue))
    sqs.send_message(QueueUrl=queue, MessageBody="any")
    mine = role.client("sqs")
    [message] = mine.receive_message(QueueUrl=queue)["Messages"]
    entry = {"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}
    hide = [entry | {"VisibilityTimeout": 0}]
    assert code_of(mine.change_message_visibility_batch, QueueUrl=queue, Entries=hide) == (
        "AccessDenied"
    )
    mine.delete_message_batch(QueueUrl=queue, Entries=[entry])


def test_a_queue_policy_can_deny_what_a_role_policy_allows(role, sqs, queue):
    arn = arn_of(sqs, queue)
    role.may("sqs:*")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    others = {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::1:role/operator"}}}
    policy = json.dumps({"Statement": [deny | others]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    mine = role.client("sqs")
    with pytest.raises(ClientError, match="explicit deny"):
        mine.send_message(QueueUrl=queue, MessageBody="any")
    mine.receive_message(QueueUrl=queue)


def test_a_move_task_needs_the_rights_to_receive_delete_and_send(role, sqs, queue):
    dlq = sqs.create_queue(QueueName=f"d-{uuid4()}")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn_of(sqs, dlq), "maxReceiveCount": 3})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    source, destination = arn_of(sqs, dlq), arn_of(sqs, queue)
    moving = ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "StartMessageMoveTask")
    needed = [*((action, source) for action in moving), ("SendMessage", destination)]
    start = role.client("sqs").start_message_move_task
    arns = {"SourceArn": source, "DestinationArn": destination}

    for missing in needed:
        role.may_all(*(right for right in needed if right != missing))
        with pytest.raises(ClientError, match=f"sqs:{missing[0]} on resource: {missing[1]} "):
            start(**arns)
    role.may_all(*needed)

    assert start(**arns)["TaskHandle"]


def test_a_queue_policy_can_deny_a_move_task_into_the_queue(role, sqs, queue):
    dlq = sqs.create_queue(QueueName=f"d-{uuid4()}")["QueueUrl"]
    arn = arn_of(sqs, queue)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(
        QueueUrl=queue, Attributes={"Policy": json.dumps({"Statement": [deny]})}
    )
    role.may("sqs:*")
    start = role.client("sqs").start_message_move_task

    with pytest.raises(ClientError, match="explicit deny"):
        start(SourceArn=arn_of(sqs, dlq), DestinationArn=arn)


def test_only_principals_in_a_policy_can_publish_to_a_topic(role, sns):
    mine, other = (sns.create_topic(Name=f"t-{uuid4()}")["TopicArn"] for _ in range(2))
    role.may("sns:Publish", on=mine)
    entries = [{"Id": "1", "Message": "any"}]
    topic = role.client("sns")
    topic.publish_batch(TopicArn=mine, PublishBatchRequestEntries=entries)
    code = code_of(topic.publish_batch, TopicArn=other, PublishBatchRequestEntries=entries)
    assert code == "AuthorizationError"


def test_each_write_of_a_transaction_needs_its_own_permission(role, table):
    arn = f"arn:aws:dynamodb:*:{ACCOUNT}:table/{table}"
    dynamodb = role.client("dynamodb")
    key = {"TableName": table, "Key": {"pk": {"S": "a"}}}
    put = {"Put": {"TableName": table, "Item": {"pk": {"S": "a"}}}}
    check = {"ConditionCheck": key | {"ConditionExpression": "attribute_exists(pk)"}}

    role.may("dynamodb:PutItem", on=arn)
    dynamodb.transact_write_items(TransactItems=[put])
    both = [put, check]
    with pytest.raises(ClientError, match="ConditionCheckItem"):
        dynamodb.transact_write_items(TransactItems=both)
    role.may("dynamodb:TransactWriteItems", on=arn)  # an action that AWS does not have
    assert code_of(dynamodb.transact_write_items, TransactItems=both) == "AccessDeniedException"


def test_a_policy_can_name_the_rows(role, table):
    """By partition key, as for the operators' rows."""
    rows = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["pause", "worker#*"]}}
    role.may("dynamodb:PutItem", "dynamodb:BatchGetItem", "dynamodb:DeleteItem", Condition=rows)
    mine = role.client("dynamodb")
    pause, worker, order = ({"pk": {"S": key}} for key in ("pause", "worker#1", "order#1"))
    mine.put_item(TableName=table, Item=pause)
    mine.batch_get_item(RequestItems={table: {"Keys": [pause, worker]}})
    mine.delete_item(TableName=table, Key=pause)
    for call, refused in (
        (mine.put_item, {"TableName": table, "Item": order}),
        (mine.delete_item, {"TableName": table, "Key": order}),
        (mine.batch_get_item, {"RequestItems": {table: {"Keys": [pause, order]}}}),
    ):
        assert code_of(call, **refused) == "AccessDeniedException"


def test_a_policy_can_name_the_rows_of_a_transaction(role, table):
    """As for the relay, which marks outbox rows in the table that has the orders too."""
    rows = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["lease#outbox#*", "outbox#*"]}}
    role.may("dynamodb:UpdateItem", "dynamodb:ConditionCheckItem", Condition=rows)
    mine = role.client("dynamodb")

    def update(key):
        change = {"UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}
        return {"TableName": table, "Key": {"pk": {"S": key}}} | change

    def check(key):
        condition = {"ConditionExpression": "attribute_not_exists(pk)"}
        return {"ConditionCheck": {"TableName": table, "Key": {"pk": {"S": key}}} | condition}

    mine.update_item(**update("outbox#1"))
    mine.transact_write_items(
        TransactItems=[check("lease#outbox#0"), {"Update": update("outbox#1")}]
    )
    assert code_of(mine.update_item, **update("order#1")) == "AccessDeniedException"
    for refused in (
        [check("lease#outbox#0"), {"Update": update("order#1")}],
        [check("order#1"), {"Update": update("outbox#1")}],
    ):
        assert code_of(mine.transact_write_items, TransactItems=refused) == "AccessDeniedException"


def test_an_index_is_a_separate_resource(role, table):
    arn = f"arn:aws:dynamodb:*:{ACCOUNT}:table/{table}"
    query = {
        "TableName": table,
        "KeyConditionExpression": "pk = :a",
        "ExpressionAttributeValues": {":a": {"S": "a"}},
    }
    role.may("dynamodb:Query", on=arn)
    dynamodb = role.client("dynamodb")
    dynamodb.query(**query)
    assert code_of(dynamodb.query, IndexName="outbox", **query) == "AccessDeniedException"
    role.may("dynamodb:Query", on=f"{arn}/index/outbox")
    assert code_of(dynamodb.query, **query) == "AccessDeniedException"


def test_metrics_need_a_right_without_a_resource(role):
    now = datetime.now(UTC)
    ask = {"StartTime": now - timedelta(minutes=5), "EndTime": now, "MetricDataQueries": []}
    assert code_of(role.client("cloudwatch").get_metric_data, **ask) == "AccessDeniedException"
    role.may("cloudwatch:GetMetricData")
    role.client("cloudwatch").get_metric_data(**ask)


def test_a_mail_needs_permission_for_the_identity_of_its_sender(role):
    sesv2 = client("sesv2")
    domain = f"{uuid4().hex}.example.com"
    sesv2.create_email_identity(EmailIdentity=domain)
    role.may(
        "ses:SendEmail",
        on=f"arn:aws:ses:*:{ACCOUNT}:identity/{domain}",
        Condition={"StringEquals": {"ses:FromAddress": f"orders@{domain}"}},
    )

    def send(sender):
        role.client("sesv2").send_email(
            FromEmailAddress=sender,
            Destination={"ToAddresses": ["to@example.com"]},
            Content={"Simple": {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hi"}}}},
        )

    send(f"Orders <orders@{domain}>")
    assert code_of(send, f"sales@{domain}") == "AccessDeniedException"
    assert code_of(send, "orders@example.org") == "AccessDeniedException"


def test_a_mail_needs_permission_for_the_configuration_set_of_its_identity(role):
    name = uuid4().hex
    client("sesv2").create_configuration_set(ConfigurationSetName=name)
    domain = f"{name}.example.com"
    client("sesv2").create_email_identity(EmailIdentity=domain, ConfigurationSetName=name)

    def send():
        role.client("ses").send_email(
            Source=f"orders@{domain}",
            Destination={"ToAddresses": ["to@example.com"]},
            Message={"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hi"}}},
        )

    identity = f"arn:aws:ses:*:{ACCOUNT}:identity/{domain}"
    role.may("ses:SendEmail", on=identity)
    assert code_of(send) == "AccessDenied"
    role.may("ses:SendEmail", on=[identity, f"arn:aws:ses:*:{ACCOUNT}:configuration-set/{name}"])
    send()


def test_a_call_that_no_policy_names_is_refused_in_the_words_of_its_service(role):
    role.may("sqs:*")
    assert code_of(role.client("iam").list_roles) == "AccessDenied"
    assert code_of(role.client("ec2").describe_vpcs) == "UnauthorizedOperation"
    assert code_of(role.client("s3").list_buckets) == "AccessDenied"
    assert code_of(role.client("ecs").list_clusters) == "AccessDeniedException"
    assert code_of(role.client("secretsmanager").get_secret_value, SecretId="a") == (
        "AccessDeniedException"
    )
    assert role.client("sts").get_caller_identity()["Arn"].startswith("arn:aws:sts:")


def test_unknown_credentials_are_refused(queue):
    stranger = boto3.Session("ASIASTRANGER00000000", "any", "any")
    receive = stranger.client("sqs", config=CONFIG).receive_message
    assert code_of(receive, QueueUrl=queue) == "UnrecognizedClientException"
    topics = stranger.client("sns", config=CONFIG).list_topics
    assert code_of(topics) == "InvalidClientTokenId"


def test_used_permissions_are_recorded(aws, role, sqs, queue):
    arn = arn_of(sqs, queue)
    role.may("sqs:SendMessage", on=arn)
    mine = role.client("sqs")
    for _ in range(2):
        mine.send_message(QueueUrl=queue, MessageBody="any")
    code_of(mine.purge_queue, QueueUrl=queue)
    used = [each for each in aws.rights() if each["role"] == role.name]
    right = {"role": role.name, "resource": arn}
    assert used == [
        right | {"action": "sqs:PurgeQueue", "verdict": "not allowed", "count": 1},
        right | {"action": "sqs:SendMessage", "verdict": "allowed", "count": 2},
    ]
