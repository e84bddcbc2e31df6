"""Each correction of moto is tested twice: the embedded AWS is right, and moto alone is wrong.

When the second test fails, moto has been fixed, and the correction can be removed.
"""

import json
import os
import subprocess
import sys
from functools import cache
from uuid import uuid4

import boto3
import httpx
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from support.aws_calls import CONFIG
from support.eventually import eventually

from local.ports import release_port, reserve_port

pytestmark = pytest.mark.integration

REGION = "eu-west-1"
ACCOUNT = "123456789012"
FEEDBACK = f"arn:aws:iam::{ACCOUNT}:role/feedback"


@pytest.fixture(scope="session")
def moto():
    """Start an uncorrected moto; return its URL."""
    port = reserve_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "MOTO_PORT"}
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url), patience=60)
        yield url
        process.terminate()
    release_port(port)


def answers(url):
    try:
        return httpx.get(f"{url}/moto-api/data.json", timeout=5).is_success
    except httpx.TransportError:
        return False


class Aws:
    """Clients of one endpoint."""

    def __init__(self, url):
        self._url = url
        self.client = cache(self.client)

    def __getattr__(self, service):
        return self.client(service)

    def client(self, service, key="any", secret="any", token=None):  # noqa: S107 - no secret
        session = boto3.Session(key, secret, token, region_name=REGION)
        return session.client(service, endpoint_url=self._url, config=CONFIG)


def a_queue_keeps_its_policy(aws):
    url, arn = a_queue(aws)
    policy = json.dumps({"Statement": [from_topic(arn, "any")]})
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5"})
    assert attributes_of(aws, url).get("Policy") == policy


def a_queue_returns_its_redrive_allow_policy(aws):
    policy = '{"redrivePermission":"denyAll"}'
    url, _ = a_queue(aws, RedriveAllowPolicy=policy)
    assert attributes_of(aws, url).get("RedriveAllowPolicy") == policy


def a_queue_returns_its_redrive_policy_as_it_was_set(aws):
    _, dlq = a_queue(aws)
    policy = json.dumps({"deadLetterTargetArn": dlq, "maxReceiveCount": 5}, separators=(",", ":"))
    url, _ = a_queue(aws, RedrivePolicy=policy)
    assert attributes_of(aws, url)["RedrivePolicy"] == policy


def a_bucket_policy_denies_only_what_its_conditions_say(aws):
    def put(**condition):
        bucket = a_name()
        aws.s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        on = f"arn:aws:s3:::{bucket}/*"
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": on}
        policy = {"Version": "2012-10-17", "Statement": [deny | condition]}
        aws.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        aws.s3.put_object(Bucket=bucket, Key="state", Body=b"{}")
        assert aws.s3.get_object(Bucket=bucket, Key="state")["Body"].read() == b"{}"

    put(Condition={"Bool": {"aws:SecureTransport": "false"}})
    for denied in ({}, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}):
        with pytest.raises(ClientError, match=r"Forbidden|AccessDenied"):
            put(**denied)


def a_restored_table_keeps_its_encryption_and_billing_mode(aws):
    source, target = a_name(), a_name()
    aws.dynamodb.create_table(
        TableName=source,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        SSESpecification={"Enabled": True},
    )
    aws.dynamodb.update_continuous_backups(
        TableName=source, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    aws.dynamodb.restore_table_to_point_in_time(
        SourceTableName=source, TargetTableName=target, UseLatestRestorableTime=True
    )
    settings = ("BillingModeSummary", "SSEDescription")
    before, after = (aws.dynamodb.describe_table(TableName=t)["Table"] for t in (source, target))
    assert [after.get(name) for name in settings] == [before[name] for name in settings]


def a_topic_returns_its_attributes(aws):
    wanted = {
        "SQSSuccessFeedbackRoleArn": FEEDBACK,
        "SQSFailureFeedbackRoleArn": FEEDBACK,
        "SQSSuccessFeedbackSampleRate": "5",
        "TracingConfig": "Active",
    }
    arn = aws.sns.create_topic(Name=a_name(), Attributes=wanted)["TopicArn"]
    found = aws.sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert wanted.items() <= found.items()


def a_topic_delivers_only_if_the_queue_policy_allows_it(aws):
    topic = aws.sns.create_topic(Name=a_name())["TopicArn"]
    other = aws.sns.create_topic(Name=a_name())["TopicArn"]
    delivered = {}
    for source in (None, other, topic):
        url, arn = a_queue(aws)
        if source:
            policy = json.dumps({"Statement": from_topic(arn, source)})
            aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        delivered[source] = url
    aws.sns.publish(TopicArn=topic, Message="hello")
    assert [len(received(aws, url)) for url in delivered.values()] == [0, 0, 1]


def undeliverable_messages_are_dead_lettered(aws):
    topic = aws.sns.create_topic(Name=a_name())["TopicArn"]
    (_, queue), (dlq_url, dlq) = a_queue(aws), a_queue(aws)
    policy = json.dumps({"Statement": from_topic(dlq, topic)})
    aws.sqs.set_queue_attributes(QueueUrl=dlq_url, Attributes={"Policy": policy})
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dlq})}
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=redrive)
    aws.sns.publish(TopicArn=topic, Message="hello")
    assert len(received(aws, dlq_url)) == 1


def a_scalable_target_keeps_its_tags(aws):
    scaling = aws.client("application-autoscaling")
    aws.ecs.create_cluster(clusterName="tagged")
    a_service(aws, "tagged")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/tagged/payment",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    arn = scaling.register_scalable_target(
        **target, MinCapacity=1, MaxCapacity=2, Tags={"a": "1", "b": "2"}
    )["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=arn, Tags={"c": "3"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["b"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"a": "1", "c": "3"}
    scaling.deregister_scalable_target(**target)
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {}


def a_deregistered_target_is_not_found(aws):
    scaling = aws.client("application-autoscaling")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/gone/payment",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.deregister_scalable_target(**target)
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.delete_scaling_policy(**target, PolicyName="gone")


def a_composite_alarm_can_be_made(aws):
    rule = 'ALARM("a") OR ALARM("b")'
    aws.cloudwatch.put_composite_alarm(
        AlarmName="composite", AlarmRule=rule, AlarmActions=[FEEDBACK], ActionsEnabled=False
    )
    [alarm] = aws.cloudwatch.describe_alarms(AlarmNames=["composite"])["CompositeAlarms"]
    assert (alarm["AlarmRule"], alarm["AlarmActions"]) == (rule, [FEEDBACK])
    assert not alarm["ActionsEnabled"]


def a_key_returns_its_rotation_period(aws):
    key = aws.kms.create_key()["KeyMetadata"]["KeyId"]
    aws.kms.enable_key_rotation(KeyId=key)
    assert aws.kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 365
    aws.kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    assert aws.kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 90


def a_configuration_set_has_the_documented_shape(aws):
    aws.sesv2.create_configuration_set(
        ConfigurationSetName="shape", SendingOptions={"SendingEnabled": True}
    )
    found = aws.sesv2.get_configuration_set(ConfigurationSetName="shape")
    assert found["SendingOptions"] == {"SendingEnabled": True}
    assert "VdmOptions" not in found


def an_identity_keeps_its_tags(aws):
    tags = [{"Key": "a", "Value": "1"}]
    aws.sesv2.create_email_identity(EmailIdentity="tagged.example.com", Tags=tags)
    arn = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/tagged.example.com"
    assert aws.sesv2.list_tags_for_resource(ResourceArn=arn)["Tags"] == tags


def a_rule_of_a_security_group_keeps_its_description(aws):
    group = aws.ec2.create_security_group(GroupName=a_name(), Description="any")["GroupId"]
    peer = {"GroupId": group, "Description": "the peer is a group"}
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [peer]}
    aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    rules = aws.ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )["SecurityGroupRules"]
    assert peer["Description"] in [rule.get("Description") for rule in rules]


def a_service_is_returned_as_created(aws):
    aws.ecs.create_cluster(clusterName="kept")
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    strategy = [{"capacityProvider": "FARGATE", "weight": 1, "base": 1}]
    definition = a_service(
        aws,
        "kept",
        capacityProviderStrategy=strategy,
        deploymentConfiguration=breaker,
        enableExecuteCommand=True,
    )
    [service] = aws.ecs.describe_services(cluster="kept", services=["payment"])["services"]
    assert service["capacityProviderStrategy"] == strategy
    assert service["deploymentConfiguration"]["deploymentCircuitBreaker"]["rollback"]
    assert service["enableExecuteCommand"]
    assert "launchType" not in service
    assert service["taskDefinition"] == definition


def a_service_has_the_arn_of_its_task_definition(aws):
    aws.ecs.create_cluster(clusterName="updated")
    definition = a_service(aws, "updated")
    family = definition.rpartition("/")[2]
    aws.ecs.update_service(cluster="updated", service="payment", taskDefinition=family)
    [service] = aws.ecs.describe_services(cluster="updated", services=["payment"])["services"]
    assert service["taskDefinition"] == definition


def a_task_can_be_protected(aws):
    task = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/protected/1"
    answer = aws.ecs.update_task_protection(
        cluster="protected", tasks=[task], protectionEnabled=True, expiresInMinutes=5
    )
    assert answer["protectedTasks"][0]["taskArn"] == task
    assert answer["protectedTasks"][0]["protectionEnabled"]


def a_resource_server_can_be_deleted(aws):
    cognito = aws.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="any")["UserPool"]["Id"]
    orders = {"UserPoolId": pool, "Identifier": "orders"}
    cognito.create_resource_server(**orders, Name="orders")
    cognito.delete_resource_server(**orders)
    assert not cognito.list_resource_servers(UserPoolId=pool, MaxResults=1)["ResourceServers"]


def a_role_can_do_only_what_its_policy_allows(aws):
    mine, other = (aws.sns.create_topic(Name=a_name())["TopicArn"] for _ in range(2))
    name = a_name()
    role = aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    publish = {"Effect": "Allow", "Action": "sns:Publish", "Resource": mine}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [publish]})
    aws.iam.put_role_policy(RoleName=name, PolicyName="any", PolicyDocument=policy)
    session = aws.sts.assume_role(RoleArn=role, RoleSessionName="any")["Credentials"]
    sns = aws.client("sns", *list(session.values())[:3])
    sns.publish(TopicArn=mine, Message="hello")
    with pytest.raises(ClientError, match="not authorized to perform: sns:Publish"):
        sns.publish(TopicArn=other, Message="hello")


BEHAVIOURS = [
    a_bucket_policy_denies_only_what_its_conditions_say,
    a_composite_alarm_can_be_made,
    a_configuration_set_has_the_documented_shape,
    a_key_returns_its_rotation_period,
    a_queue_keeps_its_policy,
    a_queue_returns_its_redrive_allow_policy,
    a_queue_returns_its_redrive_policy_as_it_was_set,
    a_resource_server_can_be_deleted,
    a_role_can_do_only_what_its_policy_allows,
    a_rule_of_a_security_group_keeps_its_description,
    a_scalable_target_keeps_its_tags,
    a_deregistered_target_is_not_found,
    a_service_has_the_arn_of_its_task_definition,
    a_service_is_returned_as_created,
    a_task_can_be_protected,
    a_restored_table_keeps_its_encryption_and_billing_mode,
    a_topic_delivers_only_if_the_queue_policy_allows_it,
    a_topic_returns_its_attributes,
    an_identity_keeps_its_tags,
    undeliverable_messages_are_dead_lettered,
]

each_behaviour = pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda each: each.__name__)


@each_behaviour
def test_the_embedded_aws_behaves_as_aws(aws, behaviour):
    """Case 54."""
    behaviour(Aws(aws.url))


@each_behaviour
def test_moto_alone_does_not(moto, behaviour):
    with pytest.raises(
        (AssertionError, BotoCoreError, ClientError, KeyError, pytest.fail.Exception)
    ):
        behaviour(Aws(moto))


def a_name():
    return f"n-{uuid4()}"


def a_queue(aws, **attributes):
    url = aws.sqs.create_queue(QueueName=a_name(), Attributes=attributes)["QueueUrl"]
    return url, attributes_of(aws, url)["QueueArn"]


def attributes_of(aws, url):
    return aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def received(aws, url):
    return aws.sqs.receive_message(QueueUrl=url).get("Messages", [])


def from_topic(queue, topic):
    return {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }


def a_service(aws, cluster, **more):
    """Create the service payment in a cluster; return the ARN of its task definition."""
    container = {"name": "worker", "image": "worker:1", "memory": 512}
    definition = aws.ecs.register_task_definition(
        family=f"{cluster}-payment", containerDefinitions=[container]
    )["taskDefinition"]["taskDefinitionArn"]
    aws.ecs.create_service(
        cluster=cluster, serviceName="payment", taskDefinition=definition, desiredCount=1, **more
    )
    return definition
