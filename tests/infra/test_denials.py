"""Every task's role is refused the calls that are not its work."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from local.rehearsal.roles import ACCOUNT, assume, session
from workers.aws.codes import DENIED
from workers.topology import Topology, dlq_name, queue_name

TOPOLOGY = Topology.load()
SERVICES = tuple(TOPOLOGY.services)
ANYBODY = "test.amazonaws.com"
ECS = {"aws:sourceaccount": ACCOUNT, "aws:sourcearn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/any"}


def calls(session, outputs, service):
    """Return the calls that a service must not make, by name."""
    sqs, sns, dynamodb = (session.client(name) for name in ("sqs", "sns", "dynamodb"))
    mine = TOPOLOGY.services[service]
    key = {"pk": {"S": "any"}}
    table = outputs["tables"][mine.table]
    other = next(name for name in outputs["tables"] if name != mine.table)
    mail = {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hi"}}}
    nobody = {"ToAddresses": ["to@example.com"]}
    found = {
        "write another's table": lambda: dynamodb.put_item(
            TableName=outputs["tables"][other], Item=key
        ),
        "read another's table": lambda: dynamodb.get_item(
            TableName=outputs["tables"][other], Key=key
        ),
        "scan its table": lambda: dynamodb.scan(TableName=table),
        "delete from its table": lambda: dynamodb.delete_item(TableName=table, Key=key),
        "delete its table": lambda: dynamodb.delete_table(TableName=table),
        "subscribe to the topic": lambda: sns.subscribe(
            TopicArn=outputs["topic_arn"], Protocol="email", Endpoint="to@example.com"
        ),
        "send a mail as another": lambda: session.client("ses").send_email(
            Source="sales@example.com", Destination=nobody, Message=mail
        ),
        "become another": lambda: session.client("sts").assume_role(
            RoleArn=outputs["operator_role_arn"], RoleSessionName="any"
        ),
        "list queues": sqs.list_queues,
        "list roles": lambda: session.client("iam").list_roles(),
        "list buckets": lambda: session.client("s3").list_buckets(),
        "list machines": lambda: session.client("ec2").describe_instances(),
        "read a secret": lambda: session.client("secretsmanager").get_secret_value(SecretId="any"),
        "scale itself": lambda: session.client("ecs").update_service(
            cluster=outputs["cluster"], service=service, desiredCount=100
        ),
    }
    for name, queue in outputs["queues"].items():
        found[f"send to the queue of {name}"] = _sending(sqs, queue["url"])
        found[f"redrive the dead letters of {name}"] = _redriving(sqs, name)
        found[f"purge the queue of {name}"] = lambda url=queue["url"]: sqs.purge_queue(QueueUrl=url)
        found[f"read dead letters of {name}"] = _receiving(sqs, queue["dlq_url"])
        if name != service:
            found[f"receive from the queue of {name}"] = _receiving(sqs, queue["url"])
            found[f"dead-letter for {name}"] = _sending(sqs, queue["dlq_url"])
    if not mine.publishes:
        found["publish"] = lambda: sns.publish(TopicArn=outputs["topic_arn"], Message="any")
    return found


def _sending(sqs, url):
    return lambda: sqs.send_message(QueueUrl=url, MessageBody="any")


def _redriving(sqs, service):
    """Start a move task as ``workers dlq redrive`` does."""
    source, destination = (
        f"arn:aws:sqs:eu-west-1:{ACCOUNT}:dev-{name}"
        for name in (dlq_name(service), queue_name(service))
    )
    return lambda: sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)


def _receiving(sqs, url):
    return lambda: sqs.receive_message(QueueUrl=url)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_refused_calls_that_are_not_its_work(applied, stories, service):
    assert stories  # the permissions used have been counted by now
    role = applied.outputs["services"][service]["task_role_arn"]
    task = session(assume(role, principal="ecs-tasks.amazonaws.com", context=ECS))
    tried = calls(task, applied.outputs, service)
    assert [name for name, call in tried.items() if not is_refused(call)] == []


def test_nobody_else_can_send_or_redrive_whatever_the_callers_policies_say(applied, stories, admin):
    assert stories
    sqs, sns = admin("intruder").client("sqs"), admin("intruder").client("sns")
    queues = applied.outputs["queues"].values()
    urls = [queue[kind] for queue in queues for kind in ("url", "dlq_url", "undelivered_url")]
    assert [url for url in urls if not is_refused(_sending(sqs, url))] == []
    redrives = {name: _redriving(sqs, name) for name in applied.outputs["queues"]}
    assert [name for name, redrive in redrives.items() if not is_refused(redrive)] == []
    topic = applied.outputs["topic_arn"]
    assert is_refused(lambda: sns.publish(TopicArn=topic, Message="any"))


def test_another_topic_reaches_no_queue(applied, stories):
    assert stories
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="intruder")["TopicArn"]
    queue = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:dev-{queue_name('payment')}"
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    before = waiting(sqs, applied.outputs["queues"]["payment"])
    sns.publish(TopicArn=topic, Message="any")
    assert waiting(sqs, applied.outputs["queues"]["payment"]) == before
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    sns.delete_topic(TopicArn=topic)


def waiting(sqs, queue):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names) for url in queue.values()]
    return [each["Attributes"] for each in found]


def is_refused(call):
    """Make a call; return whether it was refused. Other errors are raised."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] in DENIED | {"UnauthorizedOperation"}
    return False


@pytest.fixture(scope="session")
def admin():
    """Create a role whose policy allows everything; return a session of it."""
    iam, made = boto3.client("iam"), {}
    trust = {"Effect": "Allow", "Principal": {"Service": ANYBODY}, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}

    def make(name):
        if name not in made:
            arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
            iam.put_role_policy(
                RoleName=name, PolicyName="all", PolicyDocument=_document(everything)
            )
            made[name] = session(assume(arn["Role"]["Arn"], principal=ANYBODY, context={}))
        return made[name]

    yield make
    for name in made:
        iam.delete_role_policy(RoleName=name, PolicyName="all")
        iam.delete_role(RoleName=name)


def _document(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
