"""A destroy removes every resource."""

import boto3

PREFIX = "dev-"


def test_nothing_is_left(destroyed):
    assert destroyed.resources() == {}
    assert [name for name in names() if name.startswith(PREFIX)] == []


def names():
    """Return the names of the resources that AWS lists."""
    queues = boto3.client("sqs").list_queues().get("QueueUrls", [])
    topics = boto3.client("sns").list_topics()["Topics"]
    yield from (url.rpartition("/")[2] for url in queues)
    yield from (topic["TopicArn"].rpartition(":")[2] for topic in topics)
    yield from boto3.client("dynamodb").list_tables()["TableNames"]
    yield from (role["RoleName"] for role in boto3.client("iam").list_roles()["Roles"])
    ecs = boto3.client("ecs")
    clusters = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    yield from (each["clusterName"] for each in clusters if each["status"] == "ACTIVE")
    alarms = boto3.client("cloudwatch").describe_alarms()
    yield from (alarm["AlarmName"] for alarm in alarms["MetricAlarms"] + alarms["CompositeAlarms"])
    groups = boto3.client("logs").describe_log_groups()["logGroups"]
    yield from (group["logGroupName"].removeprefix("/ecs/") for group in groups)
